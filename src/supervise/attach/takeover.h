/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: takes over a device that is attached already, and asks from then on
 * whether those of its connections are alive that nobody can look at. Owns the jobs for both, and
 * writes into the attachment what it finds out.
 */
#ifndef SUPERVISE_ATTACH_TAKEOVER_H
#define SUPERVISE_ATTACH_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint/address.h"
#include "runtime/state.h"
#include "supervise/part.h"
#include "supervise/watch/links.h"

struct takeover;

struct takeover_config {
	struct attachment *at; /* that of the env; borrowed */
	struct links *links;   /* become those of the device; borrowed */
	unsigned connections;  /* what the user says, if no state file tells */
};

/* What was found out, beside the attachment and its connections; borrowed. */
struct takeover_found {
	const struct state *state; /* of this attachment, by the former supervisor; NULL: none */
	const char *address;	   /* the server's; "" if it is not known */
	struct address_list addresses;
	bool fails_io; /* the former supervisor may have told the kernel to fail I/O */
};

/* Called from the loop. None of them may free the part. */
struct takeover_events {
	/* May the device be taken over? It is locked after this. 0 or -errno with *err. */
	int (*found)(const struct takeover_found *found, struct err *err, void *arg);
	/* It is ours. */
	void (*adopted)(void *arg);
	void (*failed)(const struct err *err, void *arg);
};

/* NULL: no memory. env, and what it points to, is borrowed. */
struct takeover *takeover_new(const struct part_env *env, const struct takeover_config *cfg,
			      const struct takeover_events *events, void *arg);
void takeover_free(struct takeover *t); /* accepts NULL. No job may be under way */

/*
 * Takes the device over, which is to let I/O wait for a connection for so many seconds. `adopted`
 * or `failed` follows.
 */
void takeover_start(struct takeover *t, uint64_t dead_timeout);

/*
 * Asks the kernel whether those connections are alive that nobody can look at, if there are any.
 * Accepts NULL: the device was not taken over.
 */
void takeover_probe(struct takeover *t);

/*
 * For any device: looks for one that is attached to the export already, takes its lock, and sets
 * at->index. 0, also if there is none; -errno with *err if its lock cannot be had.
 */
int takeover_find_own(struct attachment *at, bool read_only, struct err *err);

#endif
