/* SPDX-License-Identifier: MIT */
/* Reports a long outage to the log and to the command of --on-change. */
#include "supervise/actions-alarm.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "supervise/core.h"
#include "supervise/handover/handover.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/alarm.h"
#include "supervise/report/report.h"

/* When waiting I/O begins to fail, as a clause. */
static void limit_text(const struct supervisor *s, char *buf, size_t size)
{
	uint64_t end = outage_fails_at(&s->outage), now = loop_now();
	uint64_t left = end > now ? (end - now + 500) / 1000 : 0;
	time_t at = time(NULL) + (time_t)left;
	struct tm tm;
	char clock[16];

	buf[0] = '\0';
	if (end != UINT64_MAX && localtime_r(&at, &tm) &&
	    strftime(clock, sizeof(clock), "%H:%M:%S", &tm))
		snprintf(buf, size, " and fails at %s, in %llu s", clock, (unsigned long long)left);
}

static void due(const char *users, void *arg)
{
	struct supervisor *s = arg;
	const char *why = reconnect_last_error(s->reconnect);
	char limit[64];
	struct err text;
	uint64_t seconds;

	if (!s->outage.since || handover_fails_io(s->handover))
		return;
	seconds = (loop_now() - s->outage.since) / 1000;
	limit_text(s, limit, sizeof(limit));
	err_set(&text, ERR_FAILED, 0,
		"no connection to %s for %llu s (%s): I/O waits%s (`nbd-attach --fail-now nbd%d` "
		"fails it at once)%s%s",
		s->at.server, (unsigned long long)seconds, why[0] ? why : s->outage.cause, limit,
		s->at.index, users[0] ? "; " : "", users);
	log_warning("/dev/nbd%d: %s", s->at.index, text.message);
	report_change(s->report, s->state, s->state, text.message,
		      outage_lasts(&s->outage, loop_now()));
}

int supervisor_prepare_alarm(struct supervisor *s, struct err *err)
{
	static const struct alarm_events events = {.due = due};

	s->alarm = alarm_new(&s->env, !s->cfg.swap, &events, s);
	return s->alarm ? 0 : err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
}
