/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/sysfs.h"
#include "supervise/background.h"

#define RETRY_PAUSE_MS	 500
#define SETTLE_MS	 100  /* between a hang-up and the look whether the device is gone */
#define LOST_INTERVAL_MS 2000 /* somebody else's detach of a lost device makes no other sign */

static void write_state(struct supervisor *s)
{
	struct state *r = &s->report;
	int ret;

	if (s->index < 0)
		return;
	snprintf(r->name, sizeof(r->name), "%s", fsm_state_name(s->state));
	r->since = time(NULL);
	r->alive = links_alive(s->links);
	ret = state_write(r);
	if (ret < 0)
		log_warning("cannot write the state file: %s", strerror(-ret));
}

static void report_ready(struct supervisor *s)
{
	char size[64];

	log_notice("/dev/nbd%d: attached to %s, %s%s", s->index, s->report.address,
		   size_text(s->plan.size, size, sizeof(size)),
		   s->report.read_only ? ", read-only" : "");
	if (s->cfg.index == KERNEL_INDEX_AUTO) {
		printf("/dev/nbd%d\n", s->index);
		fflush(stdout);
	}
	if (s->cfg.foreground)
		return;
	background_report(TAKE_FD(s->cfg.report_fd), 0);
	background_detach();
}

static void announce(struct supervisor *s)
{
	write_state(s);
	report_ready(s);
	dialler_free(TAKE_PTR(s->dialler));
}

/* True if the kernel no longer knows the device as ours. */
static bool taken(const struct supervisor *s)
{
	char backend[STATE_TEXT_MAX] = "";

	if (!sysfs_attached(s->index))
		return true;
	return sysfs_backend(s->index, backend, sizeof(backend)) == 0 && backend[0] &&
	       strcmp(backend, s->cfg.identifier) != 0;
}

/* Hang-up of a connection and detach by somebody else look alike at first. */
void supervisor_look(void *arg)
{
	struct supervisor *s = arg;
	unsigned alive = links_alive(s->links);

	if (s->state == FSM_DETACHING || s->state == FSM_LEAVING)
		return;
	if (taken(s))
		supervisor_raise(s, FSM_TAKEN);
	else if (alive == 0)
		supervisor_raise(s, FSM_LINKS_DEAD);
	else if (alive < links_count(s->links))
		supervisor_raise(s, FSM_LINK_DEAD);
	if (s->state == FSM_LOST)
		loop_timer_set(s->settle, LOST_INTERVAL_MS);
}

void supervisor_link_died(unsigned alive, void *arg)
{
	struct supervisor *s = arg;

	(void)alive;
	loop_timer_set(s->settle, SETTLE_MS);
}

void supervisor_kernel_spoke(int fd, uint32_t events, void *arg)
{
	struct supervisor *s = arg;

	(void)fd;
	(void)events;
	while (kernel_next_event(s->kernel, s->index) != KERNEL_EVENT_NONE)
		loop_timer_set(s->settle, SETTLE_MS);
}

static void report(struct supervisor *s)
{
	write_state(s);
	if (s->state == FSM_DEGRADED)
		log_warning("/dev/nbd%d: a connection to %s is dead, %u of %u are left", s->index,
			    s->report.address, links_alive(s->links), links_count(s->links));
	else
		log_error("/dev/nbd%d: the connection to %s is lost and I/O fails; `nbd-attach "
			  "--detach nbd%d`, then attach it again",
			  s->index, s->report.address, s->index);
}

void supervisor_asked(bool force, void *arg)
{
	struct supervisor *s = arg;

	s->force = force;
	supervisor_raise(s, FSM_DETACH);
}

static void answer(struct supervisor *s, int status, const char *sentence)
{
	if (s->control)
		control_answer(s->control, status, sentence);
}

static void released(int ret, const struct err *err, void *arg)
{
	struct supervisor *s = arg;

	s->err = *err;
	release_free(TAKE_PTR(s->release));
	supervisor_raise(s, ret == 0 ? FSM_RELEASED : FSM_REFUSED);
}

static void release(struct supervisor *s)
{
	struct release_config cfg = {
	    .index = s->index,
	    .kernel = s->kernel,
	    .offload = s->offload,
	    .links = s->links,
	    .read_only = s->report.read_only,
	    .force = s->force && s->state == FSM_DETACHING,
	    .cautious = s->state == FSM_LEAVING,
	};
	struct err err;

	write_state(s);
	s->release = release_new(s->loop, &cfg, released, s);
	if (!s->release) {
		err_set(&err, ERR_SYSTEM, ENOMEM, "out of memory");
		released(-ENOMEM, &err, s);
	}
}

static void recheck(struct supervisor *s)
{
	answer(s, err_exit_status(s->err.kind), s->err.message);
	write_state(s);
	supervisor_look(s);
}

static void end(struct supervisor *s, int status)
{
	loop_stop(s->loop, status);
}

static void end_taken(struct supervisor *s)
{
	if (strcmp(s->kernel->ops->name, "ioctl") == 0)
		log_error("/dev/nbd%d: the connection to %s has ended, and the device with it",
			  s->index, s->report.address);
	else
		log_notice("/dev/nbd%d: detached by somebody else", s->index);
	answer(s, 0, "the device was detached meanwhile");
	/* Under -n a unit's restart attaches it again; in the background nobody waits for it. */
	end(s, s->cfg.foreground ? 1 : 0);
}

void supervisor_carry_out(struct supervisor *s, enum fsm_action action)
{
	switch (action) {
	case FSM_NOTHING:
		break;
	case FSM_DIAL:
		dialler_first(s->dialler);
		break;
	case FSM_PAUSE:
		loop_timer_set(s->pause, RETRY_PAUSE_MS);
		break;
	case FSM_JOIN:
		dialler_join(s->dialler, s->plan.connections);
		break;
	case FSM_CONFIGURE:
		supervisor_configure(s);
		break;
	case FSM_ANNOUNCE:
		announce(s);
		break;
	case FSM_REPORT:
		report(s);
		break;
	case FSM_REMEMBER:
		s->term_pending = true;
		break;
	case FSM_RELEASE:
		release(s);
		break;
	case FSM_RECHECK:
		recheck(s);
		break;
	case FSM_BUSY:
		answer(s, 3, "the supervisor is busy with this device: try again");
		break;
	case FSM_END_FAILED:
		log_error("%s", s->err.message);
		end(s, err_exit_status(s->err.kind));
		break;
	case FSM_END_QUIT:
		log_error("interrupted: nothing is attached");
		end(s, 1);
		break;
	case FSM_END_DONE:
		log_notice("/dev/nbd%d: detached%s%s", s->index, s->err.message[0] ? "; " : "",
			   s->err.message);
		answer(s, 0, s->err.message);
		end(s, 0);
		break;
	case FSM_END_LEFT:
		log_warning("/dev/nbd%d stays attached: %s", s->index, s->err.message);
		answer(s, 3, s->err.message);
		s->left = true;
		end(s, 0);
		break;
	case FSM_END_TAKEN:
		end_taken(s);
		break;
	case FSM_ACTIONS:
		break;
	}
}

void supervisor_raise(struct supervisor *s, enum fsm_event event)
{
	struct fsm_step step = fsm_step(s->state, event);

	log_debug("%s: %s -> %s, %s", fsm_state_name(s->state), fsm_event_name(event),
		  fsm_state_name(step.next), fsm_action_name(step.action));
	s->state = step.next;
	supervisor_carry_out(s, step.action);
}
