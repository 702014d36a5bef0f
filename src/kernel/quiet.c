/* SPDX-License-Identifier: MIT */
#include "kernel/quiet.h"

void quiet_restart(struct quiet *q)
{
	q->since = 0;
	q->uncounted = false;
}

bool quiet_look(struct quiet *q, const struct sysfs_progress *seen, uint64_t unseen_at,
		uint64_t now)
{
	bool idle = sysfs_is_idle(seen), uncounted = !seen->counted && !seen->unknown;

	q->uncounted = uncounted;
	if (uncounted)
		q->uncounted_at = now;
	if (!idle)
		q->since = 0;
	else if (q->since == 0 || seen->completed != q->completed)
		q->since = now;
	q->completed = seen->completed;
	if (unseen_at < q->uncounted_at)
		unseen_at = q->uncounted_at;
	/* A request that began while requests were not counted is never counted. */
	if (unseen_at && now - unseen_at < quiet_unseen_ms(q->unseen_ms))
		return false;
	return idle && now - q->since >= QUIET_MS;
}
