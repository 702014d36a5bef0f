/* SPDX-License-Identifier: MIT */
#include "supervise/actions-outage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/protect.h"
#include "supervise/attach/takeover.h"
#include "supervise/core.h"
#include "supervise/finding.h"
#include "supervise/handover/handover.h"
#include "supervise/keeping.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/alarm.h"
#include "supervise/report/report.h"
#include "supervise/requests/requests.h"
#include "supervise/resize/resize.h"
#include "supervise/steps.h"
#include "supervise/timeouts.h"
#include "supervise/watch/watch.h"
#include "supervise/watching.h"

static unsigned missing(const struct supervisor *s)
{
	unsigned have =
	    links_alive(s->links) + handover_ready(s->handover) + handover_under_way(s->handover);

	return have < links_wanted(s->links) ? links_wanted(s->links) - have : 0;
}

/* True if connections are in use, or about to be: a new one may only go to their server. */
static bool has_others(const struct supervisor *s)
{
	return links_alive(s->links) > 0 || handover_ready(s->handover) > 0 ||
	       handover_under_way(s->handover) > 0;
}

static void begin_outage(struct supervisor *s)
{
	struct err err;

	if (!outage_begin(&s->outage, loop_now(), watch_cause(s->watch)))
		return;
	report_lost(s->report, true);
	/*
	 * Another program may have disconnected the device while it is in use. Nothing else shows
	 * that.
	 */
	handover_check(s->handover);
	/* Soon after the attachment no helper waits for work yet. One is started now. */
	if (s->cfg.reconnect && spares_tend(&s->spares, s->helpers, loop_now(), &err) < 0)
		log_warning("/dev/nbd%d: %s", s->at.index, err.message);
	if (outage_becomes_usual(&s->outage))
		log_warning("/dev/nbd%d: the connection is lost again and again: further short "
			    "outages are not logged",
			    s->at.index);
}

/* Also after a detach that was refused, which has stopped the clock. */
static void arm_expiry(struct supervisor *s)
{
	uint64_t end = outage_fails_at(&s->outage), now = loop_now();

	if (!s->cfg.reconnect || (handover_fails_io(s->handover) && !s->fail_now))
		return;
	queue_forget(&s->queue, FSM_EXPIRE);
	if (end == UINT64_MAX)
		loop_timer_cancel(s->expiry);
	else
		loop_timer_set(s->expiry, now < end ? end - now : 0);
}

void supervisor_set_grace(struct supervisor *s, uint32_t seconds)
{
	bool news = outage_set_grace(&s->outage, loop_now(), seconds);

	supervisor_touch(s); /* the status says until when I/O waits */
	if (s->outage.since && supervisor_dials(s)) {
		arm_expiry(s);
		if (news && seconds != GRACE_NONE)
			log_warning("/dev/nbd%d: the machine is shutting down: %s has %u s to come "
				    "back, then I/O fails",
				    s->at.index, s->at.server, seconds);
	}
}

static void say_lost(const struct supervisor *s)
{
	uint64_t end = outage_fails_at(&s->outage), now = loop_now();
	char limit[48] = "";

	if (s->outage.since && end != UINT64_MAX)
		snprintf(limit, sizeof(limit), ", for at most %llu s",
			 (unsigned long long)(end > now ? (end - now + 500) / 1000 : 0));
	if (s->state == FSM_DEGRADED)
		log_line(outage_is_usual(&s->outage) ? LOG_INFO : LOG_WARNING,
			 "/dev/nbd%d: a connection to %s is dead (%s), %u of %u are left",
			 s->at.index, s->at.server, watch_cause(s->watch), links_alive(s->links),
			 links_wanted(s->links));
	else if (s->cfg.reconnect)
		log_line(outage_is_usual(&s->outage) ? LOG_INFO : LOG_WARNING,
			 "/dev/nbd%d: the connection to %s is lost (%s): I/O waits%s while "
			 "nbd-attach reconnects",
			 s->at.index, s->at.server, watch_cause(s->watch), limit);
	else
		log_error("/dev/nbd%d: the connection to %s is lost (%s) and I/O fails; run "
			  "`nbd-attach --detach --force nbd%d`, then attach it again",
			  s->at.index, s->at.server, watch_cause(s->watch), s->at.index);
}

/* New connections are ready that could not be handed over before. */
static void use_fresh(struct supervisor *s)
{
	if (handover_ready(s->handover) && !handover_is_busy(s->handover))
		supervisor_post(s, FSM_REDIALLED, NULL);
}

/*
 * The command of a shutdown gives up telling a supervisor that is talking to another command for
 * long. Without a file it is not known whether that shutdown was cancelled. Under swap or the root
 * file system no file is read in an outage.
 */
static void read_grace(struct supervisor *s)
{
	uint32_t grace = s->cfg.swap || protect_root() ? GRACE_NONE : grace_read();

	if (grace != GRACE_NONE)
		supervisor_set_grace(s, grace);
}

static void be_lost(struct supervisor *s)
{
	if (!s->outage.since) {
		begin_outage(s);
		read_grace(s);
	}
	alarm_begin(s->alarm);
	arm_expiry(s);
}

void supervisor_redial(struct supervisor *s, const struct event *e)
{
	bool news = s->alive_said != links_alive(s->links);

	(void)e;
	if (s->state == FSM_LOST)
		be_lost(s);
	if (news)
		say_lost(s);
	s->alive_said = links_alive(s->links);
	if (!s->cfg.reconnect || s->fail_now || handover_fails_io(s->handover))
		supervisor_post(s, FSM_EXPIRE, NULL);
	if (!s->cfg.reconnect)
		return;
	/*
	 * The result of the hand-over decides whether, and to which server, another one is needed.
	 */
	if (handover_is_handing_over(s->handover))
		return;
	if (!reconnect_start(s->reconnect, missing(s), s->outage.flaps > 0, has_others(s)))
		return;
	if (links_graves(s->links))
		handover_attend(s->handover);
	use_fresh(s);
}

/*
 * The outage begins now, because the hand-over may wait for long: for old connections, or for the
 * kernel. Its result decides whether another connection is dialled.
 */
void supervisor_lose(struct supervisor *s, const struct event *e)
{
	(void)e;
	be_lost(s);
	say_lost(s);
	s->alive_said = links_alive(s->links);
	if (handover_fails_io(s->handover))
		supervisor_post(s, FSM_EXPIRE, NULL);
}

void supervisor_stop_dialling(struct supervisor *s)
{
	reconnect_stop(s->reconnect);
	loop_timer_cancel(s->expiry);
	queue_forget(&s->queue, FSM_EXPIRE);
	handover_stop(s->handover);
}

/* --- events of the hand-over ------------------------------------------------------ */

static void begins(void *arg)
{
	struct supervisor *s = arg;

	/* A server that is offered nothing gets no write, and need not be fenced off. */
	if (handover_may_offer(s->handover))
		reconnect_hand_over(s->reconnect);
	/* Before the kernel has the sockets: a later supervisor must know which server serves. */
	report_write(s->report, s->state);
	supervisor_keep_sockets(s);
}

static void ended(unsigned taken, bool declined, void *arg)
{
	struct supervisor *s = arg;
	unsigned alive = links_alive(s->links);

	if (declined && taken == 0 && alive > 0 && !reconnect_declined(s->reconnect))
		handover_keep(s->handover, 0);
	reconnect_handed_over(s->reconnect, taken, alive > 0);
	if (taken)
		supervisor_note_server(s);
	else if (alive > 0)
		supervisor_recall_server(s);
	supervisor_post(s,
			alive == 0			 ? FSM_NOT_HEALED
			: alive < links_wanted(s->links) ? FSM_PART_HEALED
							 : FSM_HEALED,
			NULL);
}

static void idle(void *arg)
{
	use_fresh(arg);
}

static void gone(void *arg)
{
	supervisor_post(arg, FSM_TAKEN, NULL);
}

static bool is_greeting(void *arg)
{
	const struct supervisor *s = arg;

	return reconnect_is_greeting(s->reconnect);
}

int supervisor_prepare_handover(struct supervisor *s, struct err *err)
{
	static const struct handover_events events = {
	    .begins = begins,
	    .ended = ended,
	    .idle = idle,
	    .gone = gone,
	    .is_greeting = is_greeting,
	};
	const struct handover_config cfg = {
	    .links = s->links,
	    .timeout = s->cfg.timeout,
	    .dead_timeout = timeouts_kernel(&s->cfg),
	    .io_timeout = timeouts_io(&s->cfg, 1),
	    .io_timeout_several = timeouts_io(&s->cfg, 2),
	};

	s->handover = handover_new(&s->env, &cfg, &events, s);
	return s->handover ? 0 : err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
}

void supervisor_heal(struct supervisor *s, const struct event *e)
{
	(void)e;
	handover_start(s->handover);
}

static void end_outage(struct supervisor *s)
{
	struct outage *o = &s->outage;

	if (!outage_end(o, loop_now()))
		return;
	supervisor_look_at_errors(s); /* what is in the log is of the old connections */
	errors_renewed(&s->errors);
	s->fail_now = false;
	loop_timer_cancel(s->expiry);
	alarm_end(s->alarm);
	report_lost(s->report, false);
	log_line(outage_is_usual(&s->outage) ? LOG_INFO : LOG_NOTICE,
		 "/dev/nbd%d: connected to %s again after %llu.%01llu s", s->at.index, s->at.server,
		 (unsigned long long)o->last_ms / 1000, (unsigned long long)o->last_ms / 100 % 10);
}

static void recover(struct supervisor *s)
{
	unsigned wanted = links_wanted(s->links), alive = links_alive(s->links);
	unsigned dead = wanted > alive ? wanted - alive : 0;
	bool outage = s->outage.since != 0;
	struct err err;

	/* A connection beyond the device's number would block every later one. */
	handover_keep(s->handover, dead);
	if (dead == 0)
		handover_rest(s->handover);
	end_outage(s);
	s->alive_said = links_alive(s->links);
	reconnect_recovered(s->reconnect, missing(s), handover_was_declined(s->handover),
			    has_others(s));
	if (missing(s) == 0 && !outage)
		log_line(outage_is_usual(&s->outage) ? LOG_INFO : LOG_NOTICE,
			 "/dev/nbd%d: all %u connections to %s are alive again", s->at.index,
			 links_wanted(s->links), s->at.server);
	if (helpers_fill(s->helpers, &err) < 0)
		log_warning("%s", err.message);
	watch_start(s->watch, resize_is_due(s->resize));
	takeover_probe(s->takeover);
	use_fresh(s);
}

void supervisor_recover(struct supervisor *s, const struct event *e)
{
	(void)e;
	recover(s);
}

void supervisor_recheck_outage(struct supervisor *s)
{
	if (s->outage.since && links_alive(s->links) > 0)
		recover(s);
}

void supervisor_complain(struct supervisor *s, const struct event *e)
{
	bool news = reconnect_is_news(s->reconnect, &e->err);

	log_line(news ? LOG_ERR : LOG_DEBUG, "/dev/nbd%d: %s%s", s->at.index, e->err.message,
		 s->state == FSM_HELD	   ? " (on hold: I/O waits, without a time limit)"
		 : s->state == FSM_REFUSED ? " (I/O waits)"
					   : "");
}

void supervisor_hold(struct supervisor *s, const struct event *e)
{
	outage_hold(&s->outage);
	arm_expiry(s);
	supervisor_complain(s, e);
}

void supervisor_fail_io(struct supervisor *s, const struct event *e)
{
	(void)e;
	if (s->cfg.reconnect && !handover_fails_io(s->handover))
		log_error("/dev/nbd%d: no connection for %llu s: I/O fails until the server is "
			  "back",
			  s->at.index,
			  (unsigned long long)(loop_now() - s->outage.since + 500) / 1000);
	handover_fail_io(s->handover);
	/* --fail-now ends the wait of I/O, but not the wait for the end of an old connection. */
	if (!s->fail_now)
		handover_release(s->handover);
}

void supervisor_fail_now(struct supervisor *s)
{
	if (!s->outage.since) {
		requests_answer(s->requests, err_exit_status(ERR_FAILED),
				"a connection to the server is alive, so no I/O waits for one; if "
				"the server does not answer, `--detach --force` fails its I/O");
	} else if (handover_fails_io(s->handover)) {
		requests_answer(s->requests, 0, "I/O fails already, until the server is back");
	} else if (!supervisor_dials(s)) {
		requests_answer(s->requests, err_exit_status(ERR_BUSY),
				"the device is being detached");
	} else {
		log_warning("/dev/nbd%d: asked to fail the I/O that waits", s->at.index);
		s->fail_now = true;
		supervisor_post(s, FSM_EXPIRE, NULL);
		requests_answer(s->requests, 0, "I/O fails until the server is back");
	}
}

void supervisor_expire(void *arg)
{
	struct supervisor *s = arg;

	s->fail_now = false;
	if (handover_fails_io(s->handover))
		handover_release(s->handover);
	else
		supervisor_post(s, FSM_EXPIRE, NULL);
}

bool supervisor_knows(const struct supervisor *s, enum fsm_event event)
{
	return event == FSM_LINKS_DEAD && s->state == FSM_HEALING && s->outage.since;
}

bool supervisor_must_wait(const struct supervisor *s, enum fsm_event event)
{
	/* The result of the hand-over decides whether I/O has to fail, unless it fails already. */
	return event == FSM_EXPIRE && handover_is_handing_over(s->handover) &&
	       !handover_fails_io(s->handover);
}
