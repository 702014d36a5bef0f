/* SPDX-License-Identifier: MIT */
#include "supervise/actions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/protect.h"
#include "base/text.h"
#include "captive/captive.h"
#include "captive/command.h"
#include "kernel/tune.h"
#include "supervise/actions-outage.h"
#include "supervise/attach/attach.h"
#include "supervise/attach/takeover.h"
#include "supervise/attaching.h"
#include "supervise/background.h"
#include "supervise/core.h"
#include "supervise/detach/detach.h"
#include "supervise/handover/handover.h"
#include "supervise/readying.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/report.h"
#include "supervise/requests/requests.h"
#include "supervise/resize/resize.h"
#include "supervise/steps.h"
#include "supervise/succeeding.h"
#include "supervise/timeouts.h"
#include "supervise/watch/ended.h"
#include "supervise/watch/watch.h"
#include "supervise/watching.h"

/* Names the export, so that a mistyped name shows, and the address if that differs. */
static void describe_export(const struct supervisor *s, struct text *t)
{
	const struct endpoint *e = reconnect_endpoint(s->reconnect);
	_cleanup_free_ char *uri = endpoint_uri(e);

	if (s->captive && strncmp(s->at.identifier, "image:", 6) == 0) {
		text_escape(t, s->at.identifier, strlen(s->at.identifier), 700);
		return;
	}
	if (s->captive) {
		text_str(t, "the server ");
		text_str(t, command_name(s->cfg.captive->argv));
		if (e->export_name[0]) {
			text_str(t, ", export ");
			text_quote(t, e->export_name, strlen(e->export_name), 200);
		}
		return;
	}
	text_escape(t, uri ? uri : s->at.server, strlen(uri ? uri : s->at.server), 700);
	if (uri && e->type == ENDPOINT_TCP) {
		text_str(t, " (");
		text_str(t, s->at.server);
		text_str(t, ")");
	}
}

/* Returns the exit status. The same command finds the attachment again. */
static int tell_name(const struct supervisor *s)
{
	if (s->cfg.index != SUPERVISOR_INDEX_AUTO)
		return 0;
	log_erase();
	printf("/dev/nbd%d\n", s->at.index);
	if (fflush(stdout) == 0)
		return 0;
	log_error("/dev/nbd%d is attached, but its name cannot be written to standard output",
		  s->at.index);
	return err_exit_status(ERR_FAILED);
}

void supervisor_ready(struct supervisor *s)
{
	char size[64], export_text[1200];
	struct text t;
	int status;

	text_init(&t, export_text, sizeof(export_text));
	describe_export(s, &t);
	log_notice("/dev/nbd%d: %s %s, %s%s", s->at.index,
		   s->at.taken_over ? "taken over, attached to" : "attached to", export_text,
		   size_text(s->at.plan.size, size, sizeof(size)),
		   attachment_is_read_only(&s->at) ? ", read-only" : "");
	status = tell_name(s);
	if (s->cfg.foreground)
		return;
	background_report(TAKE_FD(s->cfg.report_fd), status, true);
	background_detach();
}

void supervisor_start_thread(struct supervisor *s)
{
	int ret = offload_start(s->env.offload);

	if (ret < 0)
		log_warning("cannot start the helper thread: %s", strerror(-ret));
}

/* No command waits any more. Keeps what an outage needs from the first handshake. */
static void keep_facts(struct supervisor *s, const struct attach_facts *facts)
{
	struct err err;

	if (reconnect_know(s->reconnect, facts->addresses, facts->sample, facts->ids, &err) == 0) {
		reconnect_prefer(s->reconnect, facts->peer);
	} else {
		log_error("/dev/nbd%d: %s: the device will not be connected again", s->at.index,
			  err.message);
		s->cfg.reconnect = false;
	}
	attach_forget(s->attach);
}

/* Warns of what cannot be guaranteed while the command still waits. */
static void warn(const struct supervisor *s)
{
	if (s->at.plan.flags & s->cfg.without)
		log_warning("/dev/nbd%d was attached without --no-trim or --no-write-zeroes, and "
			    "the kernel cannot change that: detach it and attach it again",
			    s->at.index);
	if (!attachment_flushes(&s->at) && !attachment_is_read_only(&s->at))
		log_warning("/dev/nbd%d: the server does not support flush: fsync succeeds without "
			    "telling the server, so data that the server has not written to its "
			    "disk is lost if the server dies",
			    s->at.index);
	if (!s->cfg.reconnect)
		return;
	if (links_wanted(s->links) > 1)
		log_warning(
		    "/dev/nbd%d: with several connections, requests in flight when one dies wait "
		    "for 30 s, and a server that takes longer than 30 s for a request is "
		    "disconnected and gets the request twice; a single connection avoids both",
		    s->at.index);
	if (s->cfg.timeout)
		log_warning("/dev/nbd%d: with --timeout %llu a server that takes longer for a "
			    "write is disconnected and gets the write twice: the first copy may "
			    "overwrite newer data",
			    s->at.index, (unsigned long long)s->cfg.timeout);
	if (s->cfg.swap)
		log_notice(
		    "/dev/nbd%d: --swap: during an outage no name is resolved, the state file is "
		    "not written, and spare processes are ready for %u failed handshakes",
		    s->at.index, READYING_SWAP_SPARES);
	if (!sysfs_kernel_since(5, 8) && links_wanted(s->links) == 1)
		log_warning("/dev/nbd%d: this kernel cannot replace a single connection (5.8 can): "
			    "I/O fails when it dies; use --connections 2",
			    s->at.index);
}

/*
 * The supervisor before this one may have been killed after the driver had set its own value. Until
 * the right one is written, requests in flight are sent again up to 30 s after an outage. In an
 * outage it is not written: a kernel that freezes the queue for it would wait for requests that
 * wait for a connection. Nor is it read: a reader waits with such a writer.
 */
static void correct_io_timeout(const struct supervisor *s)
{
	unsigned wanted = links_wanted(s->links);

	if (links_alive(s->links) == wanted && links_blind(s->links) == 0)
		tune_io_timeout_apart(s->at.index, timeouts_io(&s->cfg, wanted));
}

static void announce(struct supervisor *s, const struct event *e)
{
	struct attach_facts facts;

	(void)e;
	attachment_open_log(&s->at);
	supervisor_look_at_errors(s);
	/* A program that waits for the device may read it at once. */
	report_write(s->report, s->state);
	watch_note_writes(s->watch);
	warn(s);
	if (s->at.taken_over) {
		correct_io_timeout(s);
		report_usable(s->report);
	} else {
		attach_read_table(s->attach);
	}
	if (attach_facts(s->attach, &facts))
		keep_facts(s, &facts);
	/* Those that are dead already, as after a takeover in an outage, have not been reported. */
	s->alive_said = links_wanted(s->links);
	/* Here the driver itself may cut a live server, as warn() says. */
	if (s->cfg.timeout || links_wanted(s->links) > 1)
		links_driver_may_cut(s->links);
	supervisor_start_thread(s);
	outage_set_grace(&s->outage, loop_now(), grace_read());
	report_lost(s->report, links_alive(s->links) == 0);
	if (s->cfg.reconnect)
		supervisor_get_ready(s);
	watch_start(s->watch, resize_is_due(s->resize));
	resize_watch(s->resize);
	watch_look(s->watch);
}

static void released(const struct err *err, void *arg)
{
	supervisor_post(arg, FSM_RELEASED, err);
}

static void kept(const struct err *err, bool failed_io, void *arg)
{
	struct supervisor *s = arg;

	if (failed_io && !handover_fails_io(s->handover))
		log_warning("/dev/nbd%d: I/O that waited for the server has failed; new I/O %s",
			    s->at.index, s->cfg.reconnect ? "waits" : "fails");
	/* io_timeout is not set in an outage: the next hand-over restores all timeouts. */
	if (failed_io)
		handover_restore(s->handover);
	if (s->state != FSM_LEAVING || kernel_can_change(s->env.kernel)) {
		supervisor_post(s, FSM_KEPT, err);
		return;
	}
	log_warning("/dev/nbd%d stays attached, and its supervisor goes on, because with ioctl the "
		    "device would end with it: %s",
		    s->at.index, err->message);
	supervisor_post(s, FSM_STAY, err);
}

static void late(const struct err *err, void *arg)
{
	log_warning("%s", err->message);
	requests_answer(((struct supervisor *)arg)->requests, err_exit_status(err->kind),
			err->message);
}

int supervisor_prepare_detach(struct supervisor *s, struct err *err)
{
	static const struct detach_events events = {
	    .released = released,
	    .kept = kept,
	    .late = late,
	};

	s->detach = detach_new(&s->env, s->links, &events, s);
	return s->detach ? 0 : err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
}

static void release(struct supervisor *s, const struct event *e)
{
	const bool asked = s->state == FSM_DETACHING;
	const struct detach_wish wish = {
	    .force = s->force && asked,
	    .cautious = !asked,
	    .prepared = s->prepared && asked,
	    .clean = watch_is_clean(s->watch),
	    .waits = s->cfg.reconnect && !handover_fails_io(s->handover),
	    .timeout = s->cfg.timeout,
	    .dead_timeout = timeouts_kernel(&s->cfg),
	};

	(void)e;
	watch_pause(s->watch);
	supervisor_stop_dialling(s);
	resize_stop(s->resize);
	if (!asked)
		report_stopping(s->report);
	detach_start(s->detach, &wish);
}

static void recheck(struct supervisor *s, const struct event *e)
{
	requests_answer(s->requests, err_exit_status(e->err.kind), e->err.message);
	supervisor_recheck_outage(s);
	watch_start(s->watch, resize_is_due(s->resize));
	resize_watch(s->resize);
	report_lost(s->report, s->outage.since != 0); /* in case the kernel refuses the detach */
	watch_look(s->watch);
}

static void end(struct supervisor *s, int status)
{
	loop_stop(s->env.loop, status);
}

static void end_taken(struct supervisor *s, const struct event *e)
{
	(void)e;
	if (!kernel_can_change(s->env.kernel))
		log_error("/dev/nbd%d: the connection to %s has ended, and the device with it",
			  s->at.index, s->at.server);
	else
		log_notice("/dev/nbd%d: detached by another program", s->at.index);
	/* A waiting --detach has got what it asked for; a waiting --resize has failed. */
	requests_answer(s->requests, resize_is_asked(s->resize) ? 1 : 0,
			"the device was detached in the meantime");
	/*
	 * Under -n a restart of the unit attaches it again; in the background no process waits for
	 * it.
	 */
	end(s, s->cfg.foreground ? 1 : 0);
}

static void nothing(struct supervisor *s, const struct event *e)
{
	(void)s;
	(void)e;
}

static void dial(struct supervisor *s, const struct event *e)
{
	(void)e;
	attach_dial(s->attach);
}

static void pause_before_dial(struct supervisor *s, const struct event *e)
{
	(void)e;
	attach_pause(s->attach);
}

static void join(struct supervisor *s, const struct event *e)
{
	(void)e;
	attach_join(s->attach);
}

static void remember(struct supervisor *s, const struct event *e)
{
	queue_defer(&s->queue, e);
	attach_stop_waiting(s->attach); /* then the attempt's own error is reported */
	takeover_limit(s->takeover);
}

static void busy(struct supervisor *s, const struct event *e)
{
	(void)e;
	requests_answer(s->requests, 3, "the supervisor is busy with this device: try again");
}

static void end_failed(struct supervisor *s, const struct event *e)
{
	log_error("%s", e->err.message);
	end(s, err_exit_status(e->err.kind));
}

static void end_quit(struct supervisor *s, const struct event *e)
{
	(void)e;
	log_error("interrupted: nothing is attached");
	end(s, 1);
}

static void end_done(struct supervisor *s, const struct event *e)
{
	if (s->captive) /* the caller may use its files as soon as it has the answer */
		captive_end(s->captive);
	log_notice("/dev/nbd%d: detached%s%s", s->at.index, e->err.message[0] ? "; " : "",
		   e->err.message);
	requests_answer(s->requests, 0, e->err.message);
	end(s, 0);
}

static void end_left(struct supervisor *s, const struct event *e)
{
	log_warning("/dev/nbd%d stays attached: %s", s->at.index, e->err.message);
	requests_answer(s->requests, 3, e->err.message);
	/* For the next supervisor: a hand-over may have ended since the last time. */
	report_write(s->report, FSM_LEAVING);
	report_kept(s->report, e->err.message);
	s->left = true;
	/* A command that still waits for the device must not say that it is attached as asked. */
	end(s, s->cfg.report_fd >= 0 ? 1 : 0);
}

supervisor_action_fn *const supervisor_actions[FSM_ACTIONS] = {
    [FSM_NOTHING] = nothing,
    [FSM_DIAL] = dial,
    [FSM_PAUSE] = pause_before_dial,
    [FSM_JOIN] = join,
    [FSM_CONFIGURE] = supervisor_configure,
    [FSM_ADOPT] = supervisor_adopt,
    [FSM_ANNOUNCE] = announce,
    [FSM_REDIAL] = supervisor_redial,
    [FSM_LOSE] = supervisor_lose,
    [FSM_HEAL] = supervisor_heal,
    [FSM_RECOVER] = supervisor_recover,
    [FSM_COMPLAIN] = supervisor_complain,
    [FSM_HOLD] = supervisor_hold,
    [FSM_FAIL_IO] = supervisor_fail_io,
    [FSM_REMEMBER] = remember,
    [FSM_RELEASE] = release,
    [FSM_RECHECK] = recheck,
    [FSM_OFFER] = supervisor_offer,
    [FSM_KEEP] = supervisor_keep,
    [FSM_BUSY] = busy,
    [FSM_END_FAILED] = end_failed,
    [FSM_END_QUIT] = end_quit,
    [FSM_END_DONE] = end_done,
    [FSM_END_LEFT] = end_left,
    [FSM_END_GIVEN] = supervisor_end_given,
    [FSM_END_TAKEN] = end_taken,
};
