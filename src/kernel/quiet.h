/* SPDX-License-Identifier: MIT */
/*
 * Has the device been without requests for long enough to replace its connections? Pure: the time
 * and what sysfs says are passed in.
 *
 * Between a check that finds no request and the end of the connections, a request may enter. If its
 * reply is lost as well, I/O waits for a proof that may never come, and nbdkit may answer it with
 * an error. After QUIET_MS without a request that is unlikely. A busy device never reaches that.
 */
#ifndef KERNEL_QUIET_H
#define KERNEL_QUIET_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/sysfs.h"

#define QUIET_MS	100  /* without a request */
#define QUIET_UNSEEN_MS 8000 /* limit for a request that began while requests were not counted */

/* The same after an outage, if the driver sends such a request again only `resent_ms` later. */
static inline uint32_t quiet_unseen_ms(uint32_t resent_ms)
{
	return resent_ms > QUIET_UNSEEN_MS ? resent_ms : QUIET_UNSEEN_MS;
}

/* Times are monotonic ms. */
struct quiet {
	uint64_t since;	       /* first time at which no request was seen; 0: one was under way */
	uint64_t completed;    /* requests, at the last check */
	bool uncounted;	       /* requests were not counted at the last check */
	uint64_t uncounted_at; /* the last time of that; 0: never */
	uint32_t unseen_ms;    /* quiet_unseen_ms() */
};

/* Forgets everything except when requests were not counted, and unseen_ms. */
void quiet_restart(struct quiet *q);

/*
 * Checks the device. `unseen_at`: when another part saw that requests were not counted; 0: never.
 * True: the device has been without requests for QUIET_MS.
 */
bool quiet_look(struct quiet *q, const struct sysfs_progress *seen, uint64_t unseen_at,
		uint64_t now);

#endif
