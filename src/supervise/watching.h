/* SPDX-License-Identifier: MIT */
/* What the watch and the kernel's log tell of the connections. Only for the core. */
#ifndef SUPERVISE_WATCHING_H
#define SUPERVISE_WATCHING_H

#include <stdint.h>

struct err;
struct supervisor;

/* Makes the watch. 0 or -ENOMEM. */
int supervisor_prepare_watch(struct supervisor *s);

/* Reads of the kernel's log what requests the server has answered with an error. */
void supervisor_look_at_errors(struct supervisor *s);

/*
 * Monotonic ms: the last time from which on a request may be under way that is not counted; 0:
 * never.
 */
uint64_t supervisor_uncounted_at(const struct supervisor *s);

/* Makes the part that ends the connections of a leaving server. 0 or -errno with *err. */
int supervisor_prepare_farewell(struct supervisor *s, struct err *err);

/*
 * At a moment without requests: ends all connections, for the reason `why` (a clause). It is an
 * outage then.
 */
void supervisor_end_connections(struct supervisor *s, const char *why);

#endif
