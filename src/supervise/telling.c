/* SPDX-License-Identifier: MIT */
/* Collects the status from the parts. */
#include "supervise/telling.h"

#include <time.h>

#include "captive/captive.h"
#include "supervise/actions.h"
#include "supervise/core.h"
#include "supervise/farewell/farewell.h"
#include "supervise/handover/handover.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/report.h"
#include "supervise/watch/watch.h"

static void fill(struct state *ret_state, void *arg)
{
	const struct supervisor *s = arg;

	watch_report(s->watch, ret_state);
	if (s->captive && !s->cfg.swap) /* it reads files, and with --swap that is not allowed */
		captive_report(s->captive, ret_state);
	errors_report(&s->errors, ret_state);
	farewell_report(s->farewell, ret_state);
	outage_report(&s->outage, loop_now(), time(NULL), ret_state);
	handover_report(s->handover, ret_state);
	reconnect_report(s->reconnect, ret_state);
	serving_report(&s->serving, ret_state);
}

static void ready(void *arg)
{
	supervisor_ready(arg);
}

void supervisor_tell(const struct supervisor *s)
{
	struct timespec now;
	int64_t wall_ms;

	clock_gettime(CLOCK_REALTIME, &now);
	wall_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	report_tell(s->report, s->state, watch_cause(s->watch),
		    outage_fails_on(&s->outage, loop_now(), wall_ms));
}

int supervisor_prepare_report(struct supervisor *s, struct err *err)
{
	static const struct report_events events = {.fill = fill, .ready = ready};
	const struct report_config cfg = {
	    .name = s->cfg.name,
	    .config = s->cfg.config,
	    .options = s->cfg.options,
	    .on_change = s->cfg.on_change,
	    .dead_timeout_s = s->cfg.dead_timeout_s,
	    .swap = s->cfg.swap,
	    .no_scan = s->cfg.no_scan,
	    .service = s->cfg.foreground,
	};

	return report_new(&s->env, &cfg, &events, s, &s->report, err);
}
