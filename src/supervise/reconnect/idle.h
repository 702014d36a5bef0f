/* SPDX-License-Identifier: MIT */
/*
 * Reads the identifiers on the attached device again when it was written to and rests: a file
 * system that was made on it changes them. A process of its own reads them (worker/look.h), one at
 * a time, and it is never waited for. What it read counts only if no write was under way or
 * completed from before its start until after its end. Lives on the loop, never blocks.
 */
#ifndef SUPERVISE_RECONNECT_IDLE_H
#define SUPERVISE_RECONNECT_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ids.h"
#include "supervise/part.h"

struct idle;
struct sandbox;

/* The identifiers that are on the device. */
typedef void idle_fn(const struct ids *ids, void *arg);

/* sandbox: of the process; borrowed. 0 or -errno with *err. */
int idle_new(const struct part_env *env, const struct sandbox *sandbox, idle_fn *fn, void *arg,
	     struct idle **ret_idle, struct err *err);
void idle_free(struct idle *i); /* accepts NULL. A process that hangs ends later, by itself */

/* The identifiers that are on the device now are known. */
void idle_know(struct idle *i);
/* They are not: they are to be read at the next occasion. */
void idle_doubt(struct idle *i);

/*
 * Every connection is alive: starts the process if it is needed, and this is an occasion. `size`:
 * see struct look_job. True: an occasion is awaited, so the next look should come soon.
 */
bool idle_look(struct idle *i, uint64_t size);
/* A connection is lost, or the device is being detached: ends the process. Accepts NULL. */
void idle_stop(struct idle *i);

#endif
