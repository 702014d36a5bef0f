/* SPDX-License-Identifier: MIT */
/*
 * One helper thread for calls that may block (kernel/kernel.h), so that the loop never does. It is
 * started before memory can be short, and nothing is created afterwards. Jobs are done one after
 * the other, in the order they were given.
 */
#ifndef BASE_OFFLOAD_H
#define BASE_OFFLOAD_H

#include <stdbool.h>

#include "base/loop.h"

#define OFFLOAD_JOBS 8

struct offload;

typedef void offload_fn(void *arg);

/* No thread yet. NULL: errno. */
struct offload *offload_new(struct loop *loop);

/*
 * Starts the thread, with all signals blocked in it, unless it runs already. Afterwards no job
 * needs to create anything, so that jobs work when memory is short. No job may be under way.
 * Returns 0, or -errno; jobs then run on the caller's thread and block it.
 */
int offload_start(struct offload *o);

/*
 * Ends the thread. If a job is blocked (in the kernel, uninterruptibly) it cannot be ended: the
 * thread and the struct are left to the process's exit, and false is returned.
 */
bool offload_free(struct offload *o);

/* No job is under way, and the end of each was told. */
bool offload_is_idle(struct offload *o);

/*
 * Runs work(arg) on the thread, or at once if there is none, then done(arg) on the loop. arg must
 * live until then. Returns 0, or -EBUSY while OFFLOAD_JOBS are waiting.
 */
int offload_run(struct offload *o, offload_fn *work, offload_fn *done, void *arg);

#endif
