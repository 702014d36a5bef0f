/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "supervise/background.h"
#include "supervise/watch/ended.h"
#include "base/protect.h"

#define RETRY_PAUSE_MS 500
#define SWAP_SPARES    4 /* workers, beyond one a connection: each failed handshake uses one up */

void supervisor_ready(struct supervisor *s)
{
	char size[64];

	log_notice("/dev/nbd%d: %s %s, %s%s", s->index,
		   s->adopted ? "taken over, attached to" : "attached to", s->report.address,
		   size_text(s->plan.size, size, sizeof(size)),
		   s->report.read_only ? ", read-only" : "");
	if (s->cfg.index == SUPERVISOR_INDEX_AUTO) {
		printf("/dev/nbd%d\n", s->index);
		fflush(stdout);
	}
	supervisor_manager_ready(s);
	if (s->cfg.foreground)
		return;
	background_report(TAKE_FD(s->cfg.report_fd), 0);
	background_detach();
}

void supervisor_start_thread(struct supervisor *s)
{
	int ret = offload_start(s->offload);

	if (ret < 0)
		log_warning("cannot start the helper thread: %s", strerror(-ret));
}

/* For an outage, which may come with a want of memory. */
static void get_ready(struct supervisor *s)
{
	s->kmsg = kmsg_open();
	protect_memory();
	helpers_set(s->helpers, s->cfg.swap ? s->cfg.connections + SWAP_SPARES : 1, true);
	if (helpers_fill(s->helpers, &s->err) < 0)
		log_warning("%s", s->err.message);
	if (s->cfg.swap) {
		supervisor_take_hints(s);
		if (helpers_tls_files(s->helpers))
			tls_files_keep(helpers_tls_files(s->helpers));
	}
}

/* Nobody waits any more: what an outage will need of the first handshake. */
static void keep_from_dialler(struct supervisor *s)
{
	s->known = *dialler_export(s->dialler);
	supervisor_note_content(s, dialler_sample(s->dialler));
	if (supervisor_prepare_redial(s, dialler_addresses(s->dialler)) == 0) {
		redial_prefer(s->redial, dialler_peer(s->dialler));
	} else {
		log_error("/dev/nbd%d: %s: it will not be connected again", s->index,
			  s->err.message);
		s->cfg.reconnect = false;
	}
	dialler_free(TAKE_PTR(s->dialler));
	supervisor_write_state(s);
}

/* What cannot be promised, said while somebody listens. */
static void warn(const struct supervisor *s)
{
	if (!s->report.flush && !s->report.read_only)
		log_warning(
		    "/dev/nbd%d: the server offers no flush: fsync succeeds and tells the "
		    "server nothing, so what it has not written to its disk is lost when it "
		    "dies",
		    s->index);
	if (!s->cfg.reconnect)
		return;
	if (links_wanted(s->links) > 1)
		log_warning(
		    "/dev/nbd%d: with several connections, requests in flight when one dies "
		    "wait for 30 s, and a server that takes longer than that for a request "
		    "is cut and gets it twice; one connection does neither",
		    s->index);
	if (s->cfg.timeout)
		log_warning(
		    "/dev/nbd%d: with --timeout %llu a server that takes longer for a write "
		    "is cut and gets it twice: the first copy may overwrite newer data",
		    s->index, (unsigned long long)s->cfg.timeout);
	if (s->cfg.swap)
		log_notice(
		    "/dev/nbd%d: --swap: in an outage no name is resolved, the state file is "
		    "not written, and %u failed handshakes are prepared for",
		    s->index, SWAP_SPARES);
	if (!sysfs_kernel_since(5, 8) && links_wanted(s->links) == 1)
		log_warning("/dev/nbd%d: this kernel cannot replace a single connection (5.8 can): "
			    "I/O fails when it dies; use --connections 2",
			    s->index);
}

static void announce(struct supervisor *s)
{
	supervisor_write_state(s);
	supervisor_note_writes(s);
	warn(s);
	if (s->adopted)
		supervisor_ready(s);
	else
		supervisor_read_table(s);
	if (s->dialler)
		keep_from_dialler(s);
	s->alive_said = links_alive(s->links);
	/* Here the driver itself cuts a living server, as warn() says. */
	if (s->cfg.timeout || links_wanted(s->links) > 1)
		links_set_driver_limit(s->links, ENDED_SETTLE_MS);
	supervisor_start_thread(s);
	s->grace = grace_read();
	s->grace_since = loop_now();
	supervisor_mark(s, links_alive(s->links) == 0);
	supervisor_arm_wake(s);
	if (s->cfg.reconnect)
		get_ready(s);
	supervisor_start_watching(s);
	supervisor_watch_size(s);
	supervisor_look(s);
}

static void answer(struct supervisor *s, int status, const char *sentence)
{
	if (s->control)
		control_answer(s->control, status, sentence);
}

static void reconnect(struct supervisor *s, unsigned accept)
{
	if (s->state != FSM_ATTACHED)
		s->accept |= accept;
	if (!s->cfg.reconnect)
		answer(s, 1, "it was attached with --no-reconnect");
	else if (s->state == FSM_ATTACHED)
		answer(s, 0, "every connection is alive");
	else if (s->healing == HEAL_HANDS_OVER)
		answer(s, 0, "the kernel is being given a new connection");
	else
		answer(s, 0, "dialling");
	supervisor_hurry("asked to", s);
}

static void refreshed(struct supervisor *s)
{
	char text[48];

	snprintf(text, sizeof(text), "%s %u%s", s->kernel->ops->name, links_alive(s->links),
		 supervisor_is_clean(s) ? " clean" : "");
	answer(s, 0, text);
}

void supervisor_asked(const struct control_request *request, void *arg)
{
	struct supervisor *s = arg;

	s->resizing.asked = false; /* who asked before has gone */
	switch (request->verb) {
	case CONTROL_DETACH:
		s->force = request->force;
		s->prepared = request->prepared;
		supervisor_look_if_held(s);
		supervisor_raise(s, FSM_DETACH);
		break;
	case CONTROL_RECONNECT:
		reconnect(s, request->accept);
		break;
	case CONTROL_GRACE:
		answer(s, 0, "");
		supervisor_set_grace(s, request->grace);
		break;
	case CONTROL_REFRESH:
		supervisor_write_state(s);
		refreshed(s);
		break;
	case CONTROL_RESIZE:
		supervisor_resize(s);
		break;
	}
}

static void released(int ret, const struct err *err, void *arg)
{
	struct supervisor *s = arg;

	if (ret == -EINPROGRESS) {
		log_warning("%s", err->message);
		answer(s, err_exit_status(err->kind), err->message);
		return;
	}
	s->err = *err;
	/* If the kernel has refused the disconnect, the next hand-over puts the timeouts back. */
	s->restore = s->restore || (s->release && release_fails_io(s->release));
	release_free(TAKE_PTR(s->release));
	supervisor_raise(s, ret == 0 ? FSM_RELEASED : FSM_KEPT);
}

static void release(struct supervisor *s)
{
	struct release_config cfg = {
	    .index = s->index,
	    .identifier = s->cfg.identifier,
	    .mark = s->mark,
	    .kernel = s->kernel,
	    .offload = s->offload,
	    .links = s->links,
	    .read_only = s->report.read_only,
	    .force = s->force && s->state == FSM_DETACHING,
	    .cautious = s->state == FSM_LEAVING,
	    .prepared = s->prepared && s->state == FSM_DETACHING,
	    .clean = supervisor_is_clean(s),
	};
	struct err err;

	supervisor_stop_dialling(s);
	supervisor_stop_resizing(s);
	supervisor_write_state(s);
	if (s->state == FSM_LEAVING)
		manager_stopping(s->manager);
	s->release = release_new(s->loop, &cfg, released, s);
	if (!s->release) {
		err_set(&err, ERR_SYSTEM, ENOMEM, "out of memory");
		released(-ENOMEM, &err, s);
	}
}

static void recheck(struct supervisor *s)
{
	answer(s, err_exit_status(s->err.kind), s->err.message);
	/* A hand-over that had begun before the detach may have ended the outage meanwhile. */
	if (s->outage.since && links_alive(s->links) > 0)
		supervisor_recover(s);
	supervisor_start_watching(s);
	supervisor_watch_size(s);
	supervisor_mark(s, s->outage.since != 0); /* should the kernel have refused the detach */
	supervisor_look(s);
	supervisor_write_state(s);
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
	/* A waiting --detach has got what it asked for; a waiting --resize has failed. */
	answer(s, s->resizing.asked ? 1 : 0, "the device was detached meanwhile");
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
	case FSM_ADOPT:
		supervisor_adopt(s);
		break;
	case FSM_REDIAL:
		supervisor_redial(s);
		break;
	case FSM_HEAL:
		supervisor_heal(s);
		break;
	case FSM_RECOVER:
		supervisor_recover(s);
		break;
	case FSM_COMPLAIN:
		supervisor_complain(s);
		break;
	case FSM_FAIL_IO:
		supervisor_fail_io(s);
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
		if (s->captive) /* who asked may use its files as soon as there is an answer */
			captive_end(s->captive);
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

/* Which states a loss, a refusal or an error leads to. */
static const char *reason(const struct supervisor *s, enum fsm_state state)
{
	switch (state) {
	case FSM_DEGRADED:
	case FSM_LOST:
		return s->report.cause;
	case FSM_REFUSED:
	case FSM_WAITING:
		return s->err.message;
	case FSM_STARTING:
	case FSM_JOINING:
	case FSM_CONFIGURING:
	case FSM_ADOPTING:
	case FSM_ATTACHED:
	case FSM_HEALING:
	case FSM_EXPIRED:
	case FSM_DETACHING:
	case FSM_LEAVING:
	case FSM_ENDED:
	case FSM_STATES:
		break;
	}
	return "";
}

static void tell(struct supervisor *s, enum fsm_state from, enum fsm_state to)
{
	const struct announce_change change = {
	    .index = s->index,
	    .from = fsm_state_name(from),
	    .to = fsm_state_name(to),
	    .address = s->report.address,
	    .reason = reason(s, to),
	};

	announce_change(s->announce, &change);
}

void supervisor_raise(struct supervisor *s, enum fsm_event event)
{
	struct fsm_step step = fsm_step(s->state, event);

	log_debug("%s: %s -> %s, %s", fsm_state_name(s->state), fsm_event_name(event),
		  fsm_state_name(step.next), fsm_action_name(step.action));
	/* After a refused detach, "attached" is only a step on the way to "lost". */
	if (s->announce && s->index >= 0 && step.next != s->state &&
	    (step.action != FSM_RECHECK || links_alive(s->links) > 0))
		tell(s, s->state, step.next);
	s->state = step.next;
	supervisor_carry_out(s, step.action);
	supervisor_tell_manager(s);
}
