/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: attaches the device. It makes the first connection, plans the device from
 * its result, makes the other connections, hands all of them to the kernel on the helper thread,
 * and lets the partition table be read. Owns the dialler, the pause between two attempts and their
 * time limit. It writes its findings into the attachment.
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
	struct links *links;   /* gets the device's connections */
	const struct endpoint *endpoint;
	const char *source;    /* NULL: any */
	const uid_t *peer_uid; /* the user who must own the server; NULL: any user */
	struct helpers *helpers;
	uint32_t sample; /* bytes of the content; see struct attempt_config */
	uint32_t connect_timeout_ms, peer_timeout_ms;
	uint64_t wait_ms; /* time to keep trying; 0: one attempt; ATTACH_FOREVER */
	int index;	  /* of /dev/nbdN; negative: any free one */
	bool read_only;
	uint16_t without;     /* NBD_TX_* that the kernel must not be told of */
	bool no_scan;	      /* udev must not read the device, and partitions are not waited for */
	uint32_t block_size;  /* bytes; 0: the server's minimum */
	unsigned connections; /* at least 1 */
	uint64_t timeout;     /* seconds for a request; 0: forever */
	uint32_t io_timeout, io_timeout_several; /* ms, for one connection and for several */
};

/* The results of the first connection; borrowed until attach_forget(). */
struct attach_facts {
	const struct address *peer;
	const struct address_list *addresses;
	const struct tls_facts *tls;
	const struct digest *sample; /* NULL: none was read */
	const struct ids *ids;	     /* likewise */
	uid_t unix_uid;		     /* of a Unix socket's server; -1: not a Unix socket */
	bool relay;		     /* the connections lead to relays */
};

/* Called from the loop. None of them may free the part. */
struct attach_events {
	/* The first connection is made, and the device is planned. */
	void (*dialled)(void *arg);
	/* The other connections are made. */
	void (*joined)(void *arg);
	/* The kernel is about to get the connections. */
	void (*begins)(void *arg);
	/* The device is attached, and its connections are watched. */
	void (*configured)(void *arg);
	/* It has failed, but there is time for another attempt after attach_pause(). */
	void (*again)(const struct err *err, void *arg);
	/* It has failed. */
	void (*failed)(const struct err *err, void *arg);
	/* The pause is over. */
	void (*due)(void *arg);
	/* The partitions exist, as far as possible. */
	void (*ready)(void *arg);

	/* The kernel is needed, and may have to be opened. 0 or -errno with *err. */
	int (*open_kernel)(struct err *err, void *arg);
	/* The plan is made: is it acceptable? 0 or -errno with *err. */
	int (*planned)(struct err *err, void *arg);
	/* The kernel has the device, which is detached again unless this returns 0. */
	int (*opened)(struct err *err, void *arg);
	/* Adds to an error what is known of the server that was started for the device. */
	void (*explain)(struct err *err, void *arg);
};

/* NULL: no memory. env, and what it points to, is borrowed. */
struct attach *attach_new(const struct part_env *env, const struct attach_config *cfg,
			  const struct attach_events *events, void *arg);
/* The device is attached, or was before: drops the dialler and the facts. */
void attach_forget(struct attach *a);
/* The same, and stops reading the partition table; accepts NULL. */
void attach_stop(struct attach *a);
void attach_free(struct attach *a); /* accepts NULL. No job may be under way */

/* Dials; `dialled`, `again` or `failed` follows. */
void attach_dial(struct attach *a);
void attach_pause(struct attach *a); /* `due` follows */
/* Makes the further connections; `joined`, `again` or `failed` follows. */
void attach_join(struct attach *a);
/*
 * Hands them to the kernel, with the seconds that I/O waits for a connection; `configured`, `again`
 * or `failed` follows.
 */
void attach_configure(struct attach *a, uint64_t dead_timeout);
/* The wait of --wait ends now: a failed attempt is not repeated. */
void attach_stop_waiting(struct attach *a);
/* Lets the partition table be read, if there can be partitions; `ready` follows. */
void attach_read_table(struct attach *a);

/* False: no connection was made. */
bool attach_facts(const struct attach *a, struct attach_facts *ret_facts);

#endif
