/* SPDX-License-Identifier: MIT */
/* Gives the device the size that its connections know, on the helper thread. */
#include "supervise/supervisor-private.h"

#include "base/log.h"

#define GROW_WAIT_MS 2000 /* after an outage: what it held up is resent by then */

static void grow_work(void *arg)
{
	struct supervisor *s = arg;
	struct kernel_change change = {
	    .index = s->at.index,
	    .identifier = s->at.identifier,
	    .fd = -1,
	    .size = s->grow_size,
	};

	s->grow_err.message[0] = '\0';
	if (sysfs_mark_valid(s->at.mark))
		kernel_change(s->env.kernel, &change, &s->grow_err);
}

static void grown(void *arg)
{
	struct supervisor *s = arg;
	uint64_t old = s->at.plan.size;
	char size[64];

	s->growing = false;
	if (s->grow_err.message[0]) {
		log_warning("/dev/nbd%d: cannot change the device to the export's new size: %s",
			    s->at.index, s->grow_err.message);
		if (s->fresh_size == s->grow_size)
			s->fresh_size = old;
		supervisor_resized(s, old);
		return;
	}
	log_notice("/dev/nbd%d: the export has a new size, and the device was changed to it: %s",
		   s->at.index, size_text(s->grow_size, size, sizeof(size)));
	s->at.plan.size = s->grow_size;
	s->at.known.size = s->grow_size;
	supervisor_touch(s);
	supervisor_resized(s, old);
}

void supervisor_grow(struct supervisor *s)
{
	if (s->growing)
		return;
	s->growing = true;
	s->grow_size = s->fresh_size;
	if (offload_run(s->env.offload, grow_work, grown, s) < 0)
		s->growing = false;
}

/*
 * Only when every connection is alive and nothing is under way at all: since 6.9 the driver freezes
 * the queue for it, and a request whose connection dies meanwhile would hold it frozen. A device
 * that is never idle is looked at every second.
 */
void supervisor_grow_when_idle(struct supervisor *s)
{
	struct sysfs_progress p;

	if (s->state != FSM_ATTACHED || s->growing || handover_is_busy(s->handover) ||
	    watch_is_stalled(s->watch) || s->fresh_size == 0 || s->fresh_size == s->at.plan.size)
		return;
	if (loop_now() - s->outage.recovered < GROW_WAIT_MS ||
	    sysfs_progress(s->at.index, &p) < 0 || !p.counted || p.in_flight > 0)
		return;
	supervisor_grow(s);
}

bool supervisor_wants_growth(const struct supervisor *s)
{
	return s->fresh_size != 0 && s->fresh_size != s->at.plan.size;
}
