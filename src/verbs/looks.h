/* SPDX-License-Identifier: MIT */
/*
 * One process looks for the users of devices on behalf of all processes that detach them
 * (verbs/abreast.h). Each look examines every process of the system, and each device that is being
 * detached adds some, so that looks of their own would take the square of the number of devices.
 *
 * A look answers all questions that have come before it began, and none that came later.
 */
#ifndef VERBS_LOOKS_H
#define VERBS_LOOKS_H

#include <stddef.h>
#include <sys/types.h>

#include "kernel/usage.h"

/*
 * Starts the process for `n` processes that this one starts next. If that is not possible, each of
 * them looks itself. Called once. The caller must have no threads.
 */
void looks_begin(size_t n);

/* In the process that was started as number `place` (from 0) afterwards: it will ask. */
void looks_join(size_t place);

/*
 * As usage_find(), which it is in a process that has not joined. Waits for the answer: not on an
 * event loop's thread. One question at a time.
 */
int looks_find(int index, pid_t skip, struct usage *ret_usage);

/* No process will be started that asks. The one that looks ends when those that ask have ended. */
void looks_end(void);

#endif
