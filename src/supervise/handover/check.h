/* SPDX-License-Identifier: MIT */
/*
 * Asks the kernel whether another program disconnected the device while it is in use: nothing else
 * shows that. One job at a time, on the helper thread; it changes nothing.
 */
#ifndef SUPERVISE_HANDOVER_CHECK_H
#define SUPERVISE_HANDOVER_CHECK_H

#include "supervise/part.h"

struct check;

/* Called from the loop if another program has disconnected the device. */
typedef void check_gone_fn(void *arg);

/* NULL: no memory. env, and what it points to, is borrowed. */
struct check *check_new(const struct part_env *env, check_gone_fn *gone, void *arg);
void check_free(struct check *c); /* accepts NULL. No job may be under way */

/* Does nothing while a check is under way, or if the helper thread has no room for another job. */
void check_start(struct check *c);

#endif
