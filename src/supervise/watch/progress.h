/* SPDX-License-Identifier: MIT */
/*
 * Does the server complete requests? A server that holds requests and completes none is stalled,
 * though its connection is alive. Pure: the time and the values of sysfs are passed in.
 */
#ifndef SUPERVISE_WATCH_PROGRESS_H
#define SUPERVISE_WATCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/sysfs.h"

/* Times are monotonic ms. */
struct progress {
	uint64_t completed;    /* requests, at the last check */
	uint64_t completed_at; /* when that changed, or nothing was under way; 0: not known yet */
	uint64_t uncounted_at; /* when requests were last seen not to be counted; 0: never */
	uint64_t late_until;   /* until then the driver may keep requests of a dead connection */
	uint64_t changed_at;   /* when that changed, or a probe was due; 0: not known yet */
	unsigned in_flight;
	bool stalled;
	bool uncounted;
};

/* Checks the device. True: it has become stalled or counted, or no longer is. */
bool progress_look(struct progress *p, const struct sysfs_progress *seen, uint64_t now);

/*
 * True, at most every 20 s: no request has been completed since then. Either the device is idle, or
 * its requests wait for a connection, which the kernel does not count as in flight.
 */
bool progress_is_quiet(struct progress *p, uint64_t now);

/*
 * Forgets since when nothing has been completed, because the device was not checked for a while.
 * Until `late_until` the driver may keep requests that were in flight on a dead connection, so the
 * server is not stalled.
 */
void progress_restart(struct progress *p, uint64_t late_until);

#endif
