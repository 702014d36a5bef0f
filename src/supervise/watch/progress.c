/* SPDX-License-Identifier: MIT */
#include "supervise/watch/progress.h"

#define STALL_MS 10000
#define QUIET_MS 20000

bool progress_look(struct progress *p, const struct sysfs_progress *seen, uint64_t now)
{
	bool stalled = p->stalled, uncounted = p->uncounted;

	if (!seen->unknown)
		p->uncounted = !seen->counted;
	if (p->uncounted) {
		p->uncounted_at = now;
		p->completed_at = 0; /* a device whose requests are not counted is not stalled */
	}
	if (seen->completed != p->completed || p->changed_at == 0)
		p->changed_at = now;
	if (seen->in_flight == 0 || seen->completed != p->completed || p->completed_at == 0) {
		p->completed = seen->completed;
		p->completed_at = now;
	}
	p->stalled = now - p->completed_at >= STALL_MS && now >= p->late_until;
	p->in_flight = seen->in_flight;
	return p->stalled != stalled || p->uncounted != uncounted;
}

bool progress_is_quiet(struct progress *p, uint64_t now)
{
	bool quiet = p->changed_at && now - p->changed_at >= QUIET_MS;

	if (quiet)
		p->changed_at = now;
	return quiet;
}

void progress_restart(struct progress *p, uint64_t late_until)
{
	p->late_until = late_until;
	p->completed_at = 0;
	p->changed_at = 0;
}
