/* SPDX-License-Identifier: MIT */
/* Events of the watch, and what the supervisor does. */
#include "supervise/watching.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "supervise/attach/takeover.h"
#include "supervise/core.h"
#include "supervise/farewell/farewell.h"
#include "supervise/handover/handover.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/report.h"
#include "supervise/resize/resize.h"
#include "supervise/steps.h"
#include "supervise/timeouts.h"
#include "supervise/watch/watch.h"

#define LOG_PAUSE_MS 200 /* from a new record in the kernel's log until it is read */

/*
 * A server that is leaving fails each request until its connections are ended, so the log is read
 * soon after a new record. Not at once: other drivers may write a flood of them.
 */
static void log_spoke(int fd, uint32_t events, void *arg)
{
	struct supervisor *s = arg;

	(void)fd;
	(void)events;
	loop_io_free(TAKE_PTR(s->log_io));
	loop_timer_set(s->log_pause, LOG_PAUSE_MS);
}

static void follow_log(struct supervisor *s)
{
	if (!s->log_io && s->at.kmsg)
		s->log_io = loop_io_new(s->env.loop, kmsg_fd(s->at.kmsg), EPOLLIN, log_spoke, s);
}

void supervisor_look_at_errors(struct supervisor *s)
{
	struct kmsg_errors seen;
	struct errors *e = &s->errors;
	uint64_t before = e->seen.count;
	char number[16];

	if (!kmsg_errors(s->at.kmsg, &seen))
		return;
	follow_log(s);
	if (seen.count != before)
		supervisor_touch(s);
	switch (errors_look(e, &seen, loop_now(), time(NULL))) {
	case ERRORS_NOTHING:
		break;
	case ERRORS_COUNT:
		log_warning("/dev/nbd%d: %s has answered %llu requests with an error, the last "
			    "with %s: the kernel reports an I/O error for each of them",
			    s->at.index, s->at.server, (unsigned long long)seen.count,
			    errors_name(seen.last, number, sizeof(number)));
		break;
	case ERRORS_LEAVING:
		log_warning("/dev/nbd%d: %s says that it is shutting down and answers requests "
			    "with an error, for each of which the kernel reports an I/O error; "
			    "it may wait for this device before it ends",
			    s->at.index, s->at.server);
		break;
	}
}

static void read_log(void *arg)
{
	struct supervisor *s = arg;

	supervisor_look_at_errors(s);
	farewell_look(s->farewell);
}

static void died(unsigned alive, void *arg)
{
	struct supervisor *s = arg;

	supervisor_look_at_errors(s); /* it may have said that it is leaving */
	supervisor_post(s, alive == 0 ? FSM_LINKS_DEAD : FSM_LINK_DEAD, NULL);
}

static void gone(void *arg)
{
	supervisor_post(arg, FSM_TAKEN, NULL);
}

static void doubt(void *arg)
{
	struct supervisor *s = arg;

	if (s->state != FSM_GIVING)
		takeover_probe(s->takeover);
}

static void slept(uint64_t ms, void *arg)
{
	struct supervisor *s = arg;

	outage_slept(&s->outage, ms);
	supervisor_touch(s);
	s->hurry_due = "the machine woke up"; /* when the dead connections are counted */
}

static bool looked(bool quiet, void *arg)
{
	struct supervisor *s = arg;
	bool soon = false;
	struct err err;

	if (s->state == FSM_ATTACHED && s->cfg.reconnect &&
	    spares_tend(&s->spares, s->helpers, loop_now(), &err) < 0)
		log_warning("/dev/nbd%d: %s", s->at.index, err.message);
	read_log(s);
	if (quiet)
		resize_grow_when_idle(s->resize);
	if (s->state == FSM_ATTACHED && s->cfg.reconnect)
		soon = reconnect_look_when_idle(s->reconnect);
	/* A device that is well may have no event for weeks. */
	if (report_is_stale(s->report))
		supervisor_touch(s);
	return soon || resize_is_due(s->resize);
}

/*
 * ms: the limit for the server's end. The device is healthy, and its I/O must not fail meanwhile.
 */
static uint32_t close_limit(const struct supervisor *s)
{
	uint64_t half = timeouts_dead(&s->cfg) * 1000 / 2;

	return half < UINT32_MAX ? (uint32_t)half : UINT32_MAX;
}

void supervisor_end_connections(struct supervisor *s, const char *why)
{
	links_renew(s->links, close_limit(s), why);
	report_write(s->report, s->state); /* for a supervisor that takes over at this moment */
	if (!handover_ended_clean(s->handover))
		log_warning("/dev/nbd%d: a request was sent to %s at the moment when its "
			    "connection was closed: I/O waits until it is answered",
			    s->at.index, s->at.server);
	watch_look(s->watch);
}

/* Since the end of an outage the driver may have kept a request that was not counted before it. */
uint64_t supervisor_uncounted_at(const struct supervisor *s)
{
	uint64_t at = watch_uncounted_at(s->watch);

	return at && at < s->outage.recovered ? s->outage.recovered : at;
}

/* A kernel before 5.8 cannot replace a single connection; ioctl's devices can replace none. */
static bool can_renew(const struct supervisor *s)
{
	return s->cfg.reconnect && kernel_can_change(s->env.kernel) &&
	       (links_wanted(s->links) > 1 || sysfs_kernel_since(5, 8));
}

static void look_before_farewell(struct farewell_view *ret_view, void *arg)
{
	const struct supervisor *s = arg;

	/* A server that is leaving greets nobody, so that it would stay degraded for ever. */
	*ret_view = (struct farewell_view){
	    .leaving = s->errors.leaving,
	    .may = (s->state == FSM_ATTACHED || s->state == FSM_DEGRADED) && can_renew(s) &&
		   offload_is_idle(s->env.offload) && !handover_ready(s->handover),
	    .uncounted = supervisor_uncounted_at(s),
	};
}

static void farewell(void *arg)
{
	supervisor_end_connections(arg, "its server says that it is shutting down");
}

int supervisor_prepare_farewell(struct supervisor *s, struct err *err)
{
	static const struct farewell_events events = {
	    .look = look_before_farewell,
	    .end = farewell,
	};
	const struct farewell_config cfg = {
	    .links = s->links,
	    .moment_ms = FAREWELL_MOMENT_MS,
	    .pause_ms = FAREWELL_PAUSE_MS,
	};

	s->farewell = farewell_new(&s->env, &cfg, &events, s);
	return s->farewell ? 0 : err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
}

static void changed(void *arg)
{
	supervisor_touch(arg);
}

int supervisor_prepare_watch(struct supervisor *s)
{
	static const struct watch_events events = {
	    .died = died,
	    .gone = gone,
	    .doubt = doubt,
	    .slept = slept,
	    .looked = looked,
	    .changed = changed,
	};
	const struct watch_config cfg = {
	    .peer_timeout_ms = s->cfg.peer_timeout_ms,
	    .frugal = s->cfg.swap,
	    .relays = s->relays,
	};

	s->log_pause = loop_timer_new(s->env.loop, read_log, s);
	s->watch = watch_new(&s->env, &cfg, &events, s);
	if (!s->watch || !s->log_pause)
		return -ENOMEM;
	s->links = watch_links(s->watch);
	return 0;
}
