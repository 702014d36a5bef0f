/* SPDX-License-Identifier: MIT */
#include "supervise/watch/progress.h"

#define STALL_MS 10000

bool progress_look(struct progress *p, const struct sysfs_progress *seen, uint64_t now)
{
	bool stalled = p->stalled, uncounted = p->uncounted;

	p->uncounted = !seen->counted;
	if (!seen->counted) {
		p->uncounted_at = now;
		p->completed_at = 0; /* a device whose requests are not counted is not stalled */
	}
	if (seen->in_flight == 0 || seen->completed != p->completed || p->completed_at == 0) {
		p->completed = seen->completed;
		p->completed_at = now;
	}
	p->stalled = now - p->completed_at >= STALL_MS;
	p->in_flight = seen->in_flight;
	return p->stalled != stalled || p->uncounted != uncounted;
}

void progress_restart(struct progress *p)
{
	p->completed_at = 0;
}
