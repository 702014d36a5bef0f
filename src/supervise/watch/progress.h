/* SPDX-License-Identifier: MIT */
/*
 * Does the server complete requests? A server that holds requests and completes none is not well,
 * though its connection is alive. Pure: the time and what sysfs says are passed in.
 */
#ifndef SUPERVISE_WATCH_PROGRESS_H
#define SUPERVISE_WATCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/sysfs.h"

/* Times are monotonic ms. */
struct progress {
	uint64_t completed;    /* requests, at the last look */
	uint64_t completed_at; /* when that changed, or nothing was under way; 0: not known yet */
	uint64_t uncounted_at; /* when requests were last seen not to be counted; 0: never */
	uint64_t changed_at;   /* when that changed, or quiet was asked for; 0: not known yet */
	unsigned in_flight;
	bool stalled;
	bool uncounted;
};

/* A look at the device. True: whether it is stalled, or its requests are counted, has changed. */
bool progress_look(struct progress *p, const struct sysfs_progress *seen, uint64_t now);

/*
 * True, at most every 20 s: no request has been completed since then. Either the device is idle, or
 * its requests wait for a connection, which the kernel does not count as in flight.
 */
bool progress_is_quiet(struct progress *p, uint64_t now);

/* Forgets since when nothing has been completed: the device was not looked at for a while. */
void progress_restart(struct progress *p);

#endif
