/* SPDX-License-Identifier: MIT */
/* Requests of other processes, and what the supervisor does. */
#include "supervise/asking.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/protect.h"
#include "supervise/actions-outage.h"
#include "supervise/attach/takeover.h"
#include "supervise/core.h"
#include "supervise/finding.h"
#include "supervise/handover/handover.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/report.h"
#include "supervise/requests/requests.h"
#include "supervise/resize/resize.h"
#include "supervise/steps.h"
#include "supervise/succeeding.h"
#include "supervise/watch/watch.h"

/* Nothing is dialled, though a connection may be missing. */
static void refuse_to_dial(struct supervisor *s)
{
	requests_answer(s->requests, err_exit_status(ERR_BUSY),
			s->state == FSM_GIVING ? "another supervisor is taking the device over: "
						 "try again"
					       : "the device is being detached");
}

static void reconnect(struct supervisor *s, unsigned accept)
{
	if (!s->cfg.reconnect) {
		requests_answer(s->requests, 1, "it was attached with --no-reconnect");
	} else if (s->state == FSM_ATTACHED && links_blind(s->links)) {
		requests_answer(s->requests, 0,
				"the kernel is being asked whether the connections are alive, "
				"because a supervisor that has died made them");
	} else if (s->state == FSM_ATTACHED) {
		requests_answer(s->requests, 0, "every connection is alive");
	} else if (!supervisor_dials(s)) {
		refuse_to_dial(s);
	} else {
		/* For this outage. Stored at another time, it would count in a later one. */
		reconnect_accept(s->reconnect, accept);
		requests_answer(s->requests, 0,
				handover_is_handing_over(s->handover)
				    ? "a new connection is being handed to the kernel"
				    : "dialling");
	}
	if (s->state == FSM_ATTACHED || supervisor_dials(s))
		takeover_probe(s->takeover);
	reconnect_hurry(s->reconnect, "asked to");
}

static void refreshed(struct supervisor *s)
{
	char text[48];

	snprintf(text, sizeof(text), "%s %u%s%s", s->env.kernel->ops->name, links_alive(s->links),
		 watch_is_clean(s->watch) ? " clean" : "", protect_root() ? " root" : "");
	requests_answer(s->requests, 0, text);
}

/* The command waits until the process that this starts is in charge. */
static void reload_for(struct supervisor *s)
{
	struct err err;
	char text[16];
	int pid = supervisor_renew(s, &err);

	snprintf(text, sizeof(text), "%d", pid);
	requests_answer(s->requests, pid < 0 ? err_exit_status(err.kind) : 0,
			pid < 0 ? err.message : text);
	reconnect_hurry(s->reconnect, "asked to reload");
}

/*
 * I/O waits, and this process may end before the grace that a shutdown gives the server: it is
 * ending already, or it was started by hand and ends with its login session. A service manager ends
 * it after what uses the device, and the supervisor of a root file system survives.
 */
static bool may_leave(const struct supervisor *s)
{
	return s->outage.since && !handover_fails_io(s->handover) &&
	       (s->state == FSM_LEAVING || !(report_has_manager(s->report) || protect_root()));
}

static void asked(const struct control_request *request, void *arg)
{
	struct supervisor *s = arg;

	resize_forget_asked(s->resize); /* an earlier caller has closed the connection */
	switch (request->verb) {
	case CONTROL_DETACH:
		s->force = request->force;
		s->prepared = request->prepared;
		if (attachment_is_gone(&s->at))
			supervisor_post(s, FSM_TAKEN, NULL);
		supervisor_post(s, FSM_DETACH, NULL);
		break;
	case CONTROL_RECONNECT:
		reconnect(s, request->accept);
		break;
	case CONTROL_FAIL_NOW:
		supervisor_fail_now(s);
		break;
	case CONTROL_GRACE:
		requests_answer(s->requests, 0, may_leave(s) ? CONTROL_MAY_LEAVE : "");
		supervisor_set_grace(s, request->grace);
		break;
	case CONTROL_REFRESH:
		supervisor_touch(s);
		refreshed(s);
		break;
	case CONTROL_RELOAD:
		reload_for(s);
		break;
	case CONTROL_GIVE:
		supervisor_give(s, request->version);
		break;
	case CONTROL_RESIZE:
		resize_ask(s->resize);
		break;
	}
}

static void hurry(void *arg)
{
	reconnect_hurry(((struct supervisor *)arg)->reconnect, "SIGHUP");
}

static void reload(void *arg)
{
	struct supervisor *s = arg;
	struct err err;

	if (supervisor_renew(s, &err) < 0)
		log_warning("%s", err.message);
	reconnect_hurry(s->reconnect, "SIGUSR1");
}

static void terminate(void *arg)
{
	struct supervisor *s = arg;

	if (attachment_is_gone(&s->at))
		supervisor_post(s, FSM_TAKEN, NULL);
	supervisor_post(s, FSM_TERMINATE, NULL);
}

int supervisor_prepare_requests(struct supervisor *s)
{
	static const struct requests_events events = {
	    .hurry = hurry,
	    .reload = reload,
	    .terminate = terminate,
	    .asked = asked,
	};

	s->requests = requests_new(&s->env, &events, s);
	return s->requests ? 0 : -errno;
}
