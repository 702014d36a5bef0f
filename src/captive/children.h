/* SPDX-License-Identifier: MIT */
/*
 * The children of this process, which has one thread. These functions allocate no memory, so a
 * signal handler may call them.
 */
#ifndef CAPTIVE_CHILDREN_H
#define CAPTIVE_CHILDREN_H

#include <sys/types.h>

typedef void children_fn(pid_t pid, void *arg);

/* Calls fn for each child, also for one that has ended and was not waited for. */
void children_each(children_fn *fn, void *arg);

#endif
