/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: from a server to an attached device. It gets the first connection, plans
 * the device by what that tells, gets the others, gives all of them to the kernel on the helper
 * thread, and has the partition table read. Owns what dials, the pause between two tries and the
 * time for them. It writes into the attachment what it finds out.
 */
#ifndef SUPERVISE_ATTACH_ATTACH_H
#define SUPERVISE_ATTACH_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "supervise/part.h"
#include "supervise/watch/links.h"
#include "transport/attempt.h"

struct attach;

#define ATTACH_FOREVER UINT64_MAX

/* Everything here is borrowed. */
struct attach_config {
	struct attachment *at; /* that of the env */
	struct links *links;   /* become those of the device */
	const struct endpoint *endpoint;
	const char *source;    /* NULL: any */
	const uid_t *peer_uid; /* who must serve; NULL: any user */
	struct helpers *helpers;
	uint32_t sample; /* bytes of the content; see struct attempt_config */
	uint32_t connect_timeout_ms, peer_timeout_ms;
	uint64_t wait_ms; /* how long to keep trying; 0: not; ATTACH_FOREVER */
	int index;	  /* of /dev/nbdN; negative: any free one */
	bool read_only;
	uint32_t block_size;			 /* bytes; 0: the server's minimum */
	unsigned connections;			 /* 1 at least */
	uint64_t timeout;			 /* seconds for a request; 0: for ever */
	uint32_t io_timeout, io_timeout_several; /* ms, for one connection and for several */
};

/* What the first connection told; borrowed until attach_forget(). */
struct attach_facts {
	const struct address *peer;
	const struct address_list *addresses;
	const struct tls_facts *tls;
	const struct digest *sample; /* NULL: none was read */
	uid_t unix_uid;		     /* of a Unix socket's server; -1: it is none */
	bool relay;		     /* the connections lead to relays */
};

/* Called from the loop. None of them may free the part. */
struct attach_events {
	/* The first connection is there, and the device is planned. */
	void (*dialled)(void *arg);
	/* So are the others. */
	void (*joined)(void *arg);
	/* The device is attached, and its connections are watched. */
	void (*configured)(void *arg);
	/* It has failed, and there is time for another try, after attach_pause(). */
	void (*again)(const struct err *err, void *arg);
	/* It has failed. */
	void (*failed)(const struct err *err, void *arg);
	/* The pause is over. */
	void (*due)(void *arg);
	/* The partitions are there, as far as they can be. */
	void (*ready)(void *arg);

	/* The kernel is needed, and may have to be opened. 0 or -errno with *err. */
	int (*open_kernel)(struct err *err, void *arg);
	/* The plan is made: may the device be so? 0 or -errno with *err. */
	int (*planned)(struct err *err, void *arg);
	/* The kernel has the device, which is detached again unless this returns 0. */
	int (*opened)(struct err *err, void *arg);
	/* Adds to an error what else is known of a server that was started for the device. */
	void (*explain)(struct err *err, void *arg);
};

/* NULL: no memory. env, and what it points to, is borrowed. */
struct attach *attach_new(const struct part_env *env, const struct attach_config *cfg,
			  const struct attach_events *events, void *arg);
/* The device is attached, or was before: what is dialled is dropped, and the facts with it. */
void attach_forget(struct attach *a);
/* The same, with the reading of the partition table; accepts NULL. */
void attach_stop(struct attach *a);
void attach_free(struct attach *a); /* accepts NULL. No job may be under way */

/* Dials; `dialled`, `again` or `failed` follows. */
void attach_dial(struct attach *a);
void attach_pause(struct attach *a); /* `due` follows */
/* Gets the further connections; `joined`, `again` or `failed` follows. */
void attach_join(struct attach *a);
/*
 * Gives them to the kernel, which is told to let I/O wait for a connection for so many seconds;
 * `configured`, `again` or `failed` follows.
 */
void attach_configure(struct attach *a, uint64_t dead_timeout);
/* The wait of --wait ends now: a failed attempt is not repeated. */
void attach_stop_waiting(struct attach *a);
/* Has the partition table read, if there can be partitions; `ready` follows. */
void attach_read_table(struct attach *a);

/* False: there is nothing that was dialled. */
bool attach_facts(const struct attach *a, struct attach_facts *ret_facts);

#endif
