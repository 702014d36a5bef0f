/* SPDX-License-Identifier: MIT */
/* The steps of a release. */
#include "supervise/detach/release-private.h"

#include <stdlib.h>

void release_enter(struct release *r, enum step step)
{
	r->step = step;
	r->since = loop_now();
}

void release_finish(struct release *r, int ret)
{
	loop_timer_cancel(r->tick);
	loop_io_free(r->claim_io);
	r->claim_io = NULL;
	claim_release(&r->claim);
	if (ret == 0)
		r->err.kind = ERR_FAILED;
	r->fn(ret, &r->err, r->arg);
}

void release_destroy(struct release *r)
{
	loop_timer_free(r->tick);
	loop_io_free(r->claim_io);
	claim_release(&r->claim);
	free(r);
}

void release_run(struct release *r, offload_fn *work, offload_fn *done)
{
	r->busy = offload_run(r->cfg.offload, work, done, r) == 0;
	loop_timer_set(r->tick, r->busy ? RELEASE_TICK_MS : 0);
}

bool release_decide(struct release *r, enum decision wanted)
{
	int decision = DECISION_OPEN;

	return atomic_compare_exchange_strong(&r->decision, &decision, (int)wanted) ||
	       decision == (int)wanted;
}

bool release_job_done(struct release *r)
{
	bool over = r->over;

	r->busy = false;
	if (over)
		release_destroy(r);
	return !over;
}

bool release_lost(const struct release *r)
{
	return r->cfg.links ? links_alive(r->cfg.links) == 0 : r->cfg.lost;
}
