/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: takes over a device that is attached already. From then on it probes
 * whether connections are alive that this process cannot examine. Owns the jobs for both, and
 * writes its findings into the attachment.
 */
#ifndef SUPERVISE_ATTACH_TAKEOVER_H
#define SUPERVISE_ATTACH_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint/address.h"
#include "runtime/given.h"
#include "runtime/state.h"
#include "supervise/attach/own.h"
#include "supervise/part.h"
#include "supervise/watch/links.h"

struct takeover;

#define TAKEOVER_LIMIT_MS 10000 /* as long as a detach waits for the kernel */

struct takeover_config {
	struct attachment *at; /* that of the env; borrowed */
	struct links *links;   /* gets the device's connections; borrowed */
	struct given *given;   /* of the former supervisor; its sockets are taken out; borrowed */
	unsigned connections;  /* the user's number, if no state file has it */
	bool times_out;	       /* the user lets the driver cut a slow server */
};

/* Further findings; borrowed. */
struct takeover_found {
	const struct state *state; /* of this attachment, by the former supervisor; NULL: none */
	const char *address;	   /* the server's; "" if it is not known */
	struct address_list addresses;
	bool fails_io; /* the former supervisor may have told the kernel to fail I/O */
};

/* Called from the loop. None of them may free the part. */
struct takeover_events {
	/*
	 * Checks that the device may be taken over. It is locked afterwards. 0 or -errno with *err.
	 */
	int (*found)(const struct takeover_found *found, struct err *err, void *arg);
	/* The device is ours. */
	void (*adopted)(void *arg);
	void (*failed)(const struct err *err, void *arg);
	/* takeover_limit(): the time is over. The job is still under way. */
	void (*late)(const struct err *err, void *arg);
};

/* NULL: no memory. env, and what it points to, is borrowed. */
struct takeover *takeover_new(const struct part_env *env, const struct takeover_config *cfg,
			      const struct takeover_events *events, void *arg);
void takeover_free(struct takeover *t); /* accepts NULL. No job may be under way */

/*
 * Takes the device over and sets the seconds that I/O waits for a connection. `adopted` or `failed`
 * follows.
 */
void takeover_start(struct takeover *t, uint64_t dead_timeout);

/*
 * The supervisor was asked to end: if the kernel has not answered the takeover within
 * TAKEOVER_LIMIT_MS from the first call, `late` follows. Accepts NULL, and does nothing if no
 * takeover is under way.
 */
void takeover_limit(struct takeover *t);

/*
 * Asks the kernel whether the connections are alive that this process cannot examine, if there are
 * any. Accepts NULL: the device was not taken over.
 */
void takeover_probe(struct takeover *t);

/*
 * For "auto": looks for a device that the same attachment has left, takes its lock, and sets
 * at->index. 0, also if there is none; -errno with *err if its lock is taken, or if a device with
 * another name or mode is in the way.
 */
int takeover_find_own(struct attachment *at, const struct own_wanted *wanted, struct err *err);

#endif
