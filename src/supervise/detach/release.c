/* SPDX-License-Identifier: MIT */
#include "supervise/detach/release-private.h"

#include <stdlib.h>

#include "base/cleanup.h"

static void tick(void *arg)
{
	struct release *r = arg;

	switch (r->step) {
	case STEP_LOOK:
		if (r->cfg.prepared) {
			release_look_at_prepared(r);
			break;
		}
		release_tick_busy(r);
		break;
	case STEP_LOOK_AGAIN:
	case STEP_DISCONNECT:
		release_tick_busy(r);
		break;
	case STEP_PASSING:
		release_tick_passing(r);
		break;
	case STEP_FLUSH:
		release_tick_flush(r);
		break;
	case STEP_SETTLE:
		release_tick_settle(r);
		break;
	case STEP_FREE:
		release_tick_free(r);
		break;
	case STEP_NAME:
		release_tick_name(r);
		break;
	case STEP_FORGET:
		release_tick_forget(r);
		break;
	}
}

struct release *release_new(struct loop *loop, const struct release_config *cfg, release_fn *fn,
			    void *arg)
{
	struct release *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct release){.cfg = *cfg, .loop = loop, .fn = fn, .arg = arg};
	claim_init(&r->claim);
	r->tick = loop_timer_new(loop, tick, r);
	if (!r->tick) {
		free(TAKE_PTR(r));
		return NULL;
	}
	r->patience_end = loop_now() + RELEASE_PATIENCE_MS;
	release_enter(r, STEP_LOOK);
	if (cfg->prepared)
		loop_timer_set(r->tick, 0);
	else
		release_run(r, release_look_work, release_looked);
	return r;
}

bool release_failed_io(const struct release *r)
{
	return r->dead && r->cfg.mark >= 0 && atomic_load(&r->decision) == DECISION_DISCONNECT;
}

void release_free(struct release *r)
{
	if (!r)
		return;
	release_decide(r, DECISION_KEEP);
	if (r->busy) {
		loop_timer_cancel(r->tick);
		r->over = true;
	} else {
		release_destroy(r);
	}
}
