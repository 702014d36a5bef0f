/* SPDX-License-Identifier: MIT */
/* Runs a loop for a while, or until a callback of the test stops it. After cmocka.h. */
#ifndef TESTS_UNIT_LOOP_FIXTURE_H
#define TESTS_UNIT_LOOP_FIXTURE_H

#include "base/loop.h"

#define PATIENCE_MS 20000 /* much more than any test needs on a busy machine */

static inline void fixture_stop_loop(void *arg)
{
	loop_stop(arg, 0);
}

static inline void loop_run_for(struct loop *loop, uint64_t ms)
{
	struct loop_timer *t = loop_timer_new(loop, fixture_stop_loop, loop);

	loop_timer_set(t, ms);
	loop_run(loop);
	loop_timer_free(t);
}

static inline void fixture_nothing_happened(void *arg)
{
	(void)arg;
	fail_msg("nothing happened");
}

/* Fails unless a callback stops the loop in time. */
static inline void loop_run_until_stopped(struct loop *loop)
{
	struct loop_timer *limit = loop_timer_new(loop, fixture_nothing_happened, loop);

	loop_timer_set(limit, PATIENCE_MS);
	loop_run(loop);
	loop_timer_free(limit);
}

#endif
