/* SPDX-License-Identifier: MIT */
/*
 * One event at a time: sources post events, and after each callback of the loop the queue is
 * emptied, step by step. Then the status is computed, written and reported, and a command is
 * answered.
 */
#include "supervise/steps.h"

#include <assert.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "supervise/actions-outage.h"
#include "supervise/actions.h"
#include "supervise/background.h"
#include "supervise/core.h"
#include "supervise/keeping.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/report.h"
#include "supervise/requests/requests.h"
#include "supervise/telling.h"
#include "supervise/watch/watch.h"

/* The states to which a loss, a refusal or an error leads. */
static const char *reason(const struct supervisor *s, enum fsm_state to, const struct event *e)
{
	switch (to) {
	case FSM_DEGRADED:
	case FSM_LOST:
		return watch_cause(s->watch);
	case FSM_REFUSED:
	case FSM_HELD:
	case FSM_WAITING:
		return e->err.message;
	case FSM_STARTING:
	case FSM_JOINING:
	case FSM_CONFIGURING:
	case FSM_ADOPTING:
	case FSM_ATTACHED:
	case FSM_HEALING:
	case FSM_EXPIRED:
	case FSM_GIVING:
	case FSM_DETACHING:
	case FSM_LEAVING:
	case FSM_ENDED:
	case FSM_STATES:
		break;
	}
	return "";
}

void supervisor_post(struct supervisor *s, enum fsm_event event, const struct err *err)
{
	queue_post(&s->queue, event, err);
}

void supervisor_touch(struct supervisor *s)
{
	s->touched = true;
}

/* Each line of the log from now on can be found by the device and the state. */
static void set_fields(const struct supervisor *s)
{
	if (s->at.index >= 0)
		log_set_fields(s->at.index, fsm_state_name(s->state));
}

static void step(struct supervisor *s, const struct event *e)
{
	struct fsm_step step = fsm_step(s->state, e->event);

	log_debug("%s: %s -> %s, %s", fsm_state_name(s->state), fsm_event_name(e->event),
		  fsm_state_name(step.next), fsm_action_name(step.action));
	/* After a refused detach, "attached" is only a step on the way to "lost". */
	if (step.next != s->state && s->state != FSM_GIVING && step.next != FSM_GIVING &&
	    (step.action != FSM_RECHECK || links_alive(s->links) > 0))
		report_change(s->report, s->state, step.next, reason(s, step.next, e),
			      outage_lasts(&s->outage, loop_now()));
	s->touched = s->touched || step.next != s->state || step.action != FSM_NOTHING;
	s->state = step.next;
	set_fields(s);
	assert(!s->stepping);
	s->stepping = true;
	supervisor_actions[step.action](s, e);
	s->stepping = false;
	/* Deferred events may be possible now. */
	if (step.action != FSM_REMEMBER)
		queue_recall(&s->queue);
}

/* A loop_timer_fn, after each callback. */
static void empty_queue(void *arg)
{
	struct supervisor *s = arg;
	struct event e;

	while (queue_take(&s->queue, &e)) {
		if (supervisor_must_wait(s, e.event))
			queue_defer(&s->queue, &e);
		else if (!supervisor_knows(s, e.event))
			step(s, &e);
	}
	if (s->hurry_due)
		reconnect_hurry(s->reconnect, TAKE_PTR(s->hurry_due));
	if (s->touched && s->state != FSM_ENDED && s->state != FSM_GIVING)
		report_write(s->report, s->state);
	if (s->touched)
		supervisor_tell(s);
	if (s->touched)
		background_phase(s->cfg.report_fd, s->state);
	s->touched = false;
	supervisor_keep_sockets(s);
	requests_send(s->requests);
}

void supervisor_begin(struct supervisor *s, enum fsm_action action)
{
	const struct event nothing = {.event = FSM_EVENTS};

	loop_after_each(s->env.loop, empty_queue, s);
	set_fields(s);
	supervisor_actions[action](s, &nothing);
}
