/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: follows the size of the export. A server tells each connection the size
 * that the export has when the connection begins. For the connection's whole life it refuses
 * requests beyond that size: nbdkit, nbd-server and qemu-nbd do. So the part asks for the size in a
 * handshake beside the living connections. If the export has grown, it makes new connections, puts
 * them in place of the old ones in a moment without requests, and then makes the device grow. Owns
 * the handshake, the new connections until they are handed over, and the job that makes the device
 * larger.
 */
#ifndef SUPERVISE_RESIZE_RESIZE_H
#define SUPERVISE_RESIZE_RESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervise/part.h"
#include "supervise/watch/links.h"
#include "transport/attempt.h"

struct resize;

/* Everything here is borrowed. */
struct resize_config {
	struct links *links;
	struct helpers *helpers; /* spare workers are replaced after each handshake */
	const char *source;	 /* NULL: any */
	const uid_t *peer_uid;	 /* the user who must own the server; NULL: any user */
	uint32_t connect_timeout_ms, peer_timeout_ms;
	uint64_t watch_size_s; /* between two checks of the export's size; 0: never checked */
};

/* The present state of the device and of the server in use; borrowed until the next check. */
struct resize_view {
	bool reconnects;    /* new connections may be made */
	bool attached;	    /* every connection is alive, and no other job runs */
	bool leaving;	    /* the device is being detached */
	bool busy;	    /* the kernel works on the connections */
	bool stalled;	    /* the server completes no request */
	uint64_t recovered; /* monotonic ms: when the last outage ended; 0: there was none */
	uint64_t uncounted; /* monotonic ms: when requests were last not counted; 0: never */
	const struct endpoint *endpoint;
	const struct address_list *addresses; /* the one that answered last comes first */
	struct helpers *helpers;
	uid_t unix_uid;	 /* the user ID of the server at the Unix socket; -1: not known */
	uint32_t sample; /* of each new connection; see struct attempt_config */
	uint64_t sample_size;
};

/* Called from the loop, or from resize_ask() and resize_stop(). None of them may free the part. */
struct resize_events {
	void (*look)(struct resize_view *ret_view, void *arg);
	/* The answer for a waiting --resize. */
	void (*answer)(int status, const char *sentence, void *arg);
	/* Checks that a connection has the device's content. 0 or -errno with *err. */
	int (*check_content)(const struct attempt_result *result, struct err *err, void *arg);
	/* A connection with that result may serve the device. */
	void (*connected)(const struct attempt_result *result, void *arg);
	/*
	 * The device has no request under way: these connections, which the callee takes, must
	 * replace all others at once.
	 */
	void (*renew)(const int *fd, size_t n, void *arg);
	/* The device has grown to that size. */
	void (*grown)(uint64_t size, void *arg);
	/*
	 * Checks that this is the export that was attached, apart from its size. 0 with the size
	 * that the device should have, or -errno with *err.
	 */
	int (*check)(const struct nbd_export *e, uint64_t *ret_size, struct err *err, void *arg);
};

/* NULL: no memory. env, and what it points to, is borrowed. */
struct resize *resize_new(const struct part_env *env, const struct resize_config *cfg,
			  const struct resize_events *events, void *arg);
void resize_free(struct resize *z); /* accepts NULL. No job may be under way */

/* Checks the export's size periodically, if that is configured; starts again after a change. */
void resize_watch(struct resize *z);
/* A command asks for the export's size, and waits for the answer. */
void resize_ask(struct resize *z);
bool resize_is_asked(const struct resize *z);
/* The command that waited has closed its connection. */
void resize_forget_asked(struct resize *z);
/* The device is being detached: drops the current work and answers. Accepts NULL. */
void resize_stop(struct resize *z);

/*
 * A new connection of an outage knows that size. `others`: there are connections that may know
 * another one; the device gets no size that one of its connections does not know, because requests
 * beyond the size that a connection knows fail there.
 */
void resize_note_size(struct resize *z, uint64_t size, bool others);
/* True if the connections know a size that the device does not have yet. */
bool resize_is_due(const struct resize *z);
/* No connection is silent: gives the device that size if this is a suitable moment. */
void resize_grow_when_idle(struct resize *z);

#endif
