/* SPDX-License-Identifier: MIT */
/* Events of the parts that attach the device or take it over, and what the supervisor does. */
#include "supervise/attaching.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "captive/captive.h"
#include "supervise/actions.h"
#include "supervise/attach/attach.h"
#include "supervise/attach/takeover.h"
#include "supervise/core.h"
#include "supervise/farewell/farewell.h"
#include "supervise/finding.h"
#include "supervise/handover/handover.h"
#include "supervise/keeping.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/report/report.h"
#include "supervise/requests/requests.h"
#include "supervise/steps.h"
#include "supervise/timeouts.h"
#include "supervise/watch/watch.h"

static void dialled(void *arg)
{
	supervisor_post(arg, FSM_DIALLED, NULL);
}

static void joined(void *arg)
{
	supervisor_post(arg, FSM_JOINED, NULL);
}

static void begins(void *arg)
{
	supervisor_keep_sockets(arg);
}

static void configured(void *arg)
{
	supervisor_note_server(arg);
	supervisor_post(arg, FSM_CONFIGURED, NULL);
}

static void again(const struct err *err, void *arg)
{
	supervisor_post(arg, FSM_DIAL_RETRY, err);
}

static void failed(const struct err *err, void *arg)
{
	supervisor_post(arg, FSM_GIVE_UP, err);
}

static void due(void *arg)
{
	supervisor_post(arg, FSM_RETRY_DUE, NULL);
}

static void ready(void *arg)
{
	const struct supervisor *s = arg;

	report_usable(s->report);
}

static int open_kernel(struct err *err, void *arg)
{
	return supervisor_open_kernel(arg, err);
}

static int planned(struct err *err, void *arg)
{
	const struct supervisor *s = arg;

	return reconnect_check(s->reconnect, err);
}

static int opened(struct err *err, void *arg)
{
	struct supervisor *s = arg;
	struct attach_facts facts;
	int ret;

	if (attach_facts(s->attach, &facts)) {
		/*
		 * Set before the status is written: a later supervisor reads there which user must
		 * serve.
		 */
		reconnect_set_owner(s->reconnect, facts.unix_uid);
		serving_note_tls(&s->serving, &s->at, reconnect_endpoint(s->reconnect), facts.tls,
				 facts.relay);
	}
	s->serving.flushes = attachment_flushes(&s->at);
	ret = report_open(s->report, s->cfg.endpoint, s->cfg.reconnect, err);
	return ret < 0 ? ret : requests_listen(s->requests, err);
}

static void explain(struct err *err, void *arg)
{
	const struct supervisor *s = arg;

	/* With --wait, its image may be on a file system that is not mounted yet. */
	if (s->captive)
		captive_explain(s->captive, s->cfg.wait_ms == 0, err);
}

void supervisor_configure(struct supervisor *s, const struct event *e)
{
	(void)e;
	attach_configure(s->attach, timeouts_kernel(&s->cfg));
}

/* --- a device that was attached before -------------------------------------------------------- */

/* While a connection lives, new ones may only go to the same server. */
static void prefer_living(struct supervisor *s)
{
	struct link_facts facts;
	struct address peer = {.len = sizeof(peer.sa)};

	for (unsigned i = 0; i < links_alive(s->links); i++) {
		links_facts(s->links, i, &facts);
		peer.sa = facts.id.peer;
		if (peer.sa.ss_family)
			reconnect_prefer(s->reconnect, &peer);
	}
}

static int found(const struct takeover_found *found, struct err *err, void *arg)
{
	struct supervisor *s = arg;
	int ret;

	if (found->fails_io)
		handover_restore(s->handover);
	watch_set_cause(s->watch, "it was lost while no supervisor ran");
	ret = reconnect_adopt(s->reconnect, found->state, &found->addresses, err);
	if (ret == 0)
		ret = reconnect_check(s->reconnect, err);
	if (ret == 0)
		ret = attachment_lock_identifier(&s->at, err);
	if (ret == 0)
		ret = report_open(s->report, s->cfg.endpoint, s->cfg.reconnect, err);
	if (ret < 0)
		return ret;
	prefer_living(s);
	if (found->state)
		farewell_inherit(s->farewell, found->state->farewell_at, time(NULL));
	s->serving.flushes = attachment_flushes(&s->at);
	if (found->state && found->state->outage_began_ms && links_alive(s->links) == 0)
		outage_inherit(&s->outage, found->state->outage_began_ms, found->state->outage_held,
			       s->cfg.connect_timeout_ms);
	if (found->state)
		s->serving.tls = found->state->tls;
	snprintf(s->at.server, sizeof(s->at.server), "%s", found->address);
	if (!s->at.server[0])
		endpoint_describe(reconnect_endpoint(s->reconnect), s->at.server,
				  sizeof(s->at.server));
	ret = attachment_open_mark(&s->at, err);
	return ret < 0 ? ret : requests_listen(s->requests, err);
}

static void adopted(void *arg)
{
	supervisor_note_server(arg);
	supervisor_post(arg, FSM_ADOPTED, NULL);
}

static void not_adopted(const struct err *err, void *arg)
{
	struct supervisor *s = arg;

	s->left = true; /* whatever the error is, the device stays attached */
	supervisor_post(s, FSM_GIVE_UP, err);
}

/*
 * The next supervisor can take the device over: the state file is still that of the supervisor
 * before this one.
 */
static void late(const struct err *err, void *arg)
{
	supervisor_post(arg, FSM_KEPT, err);
}

void supervisor_adopt(struct supervisor *s, const struct event *e)
{
	static const struct takeover_events events = {
	    .found = found,
	    .adopted = adopted,
	    .failed = not_adopted,
	    .late = late,
	};
	const struct takeover_config cfg = {
	    .at = &s->at,
	    .links = s->links,
	    .given = &s->given,
	    .connections = s->cfg.connections,
	    .times_out = s->cfg.timeout != 0,
	};
	struct err err;

	(void)e;
	attach_forget(s->attach); /* a server of one client would not greet a new connection */
	s->takeover = takeover_new(&s->env, &cfg, &events, s);
	if (!s->takeover) {
		err_set(&err, ERR_SYSTEM, ENOMEM, "out of memory");
		not_adopted(&err, s);
		return;
	}
	attachment_open_log(&s->at);
	supervisor_start_thread(s);
	takeover_start(s->takeover, timeouts_kernel(&s->cfg));
}

int supervisor_prepare_attach(struct supervisor *s, struct err *err)
{
	static const struct attach_events events = {
	    .dialled = dialled,
	    .joined = joined,
	    .begins = begins,
	    .configured = configured,
	    .again = again,
	    .failed = failed,
	    .due = due,
	    .ready = ready,
	    .open_kernel = open_kernel,
	    .planned = planned,
	    .opened = opened,
	    .explain = explain,
	};
	const struct attach_config cfg = {
	    .at = &s->at,
	    .links = s->links,
	    .endpoint = s->cfg.endpoint,
	    .source = s->cfg.source,
	    .peer_uid = s->cfg.peer_uid,
	    .helpers = s->helpers,
	    .sample = s->cfg.same_content,
	    .connect_timeout_ms = s->cfg.connect_timeout_ms,
	    .peer_timeout_ms = s->cfg.peer_timeout_ms,
	    .wait_ms = s->cfg.wait_ms,
	    .index = s->cfg.index,
	    .read_only = s->cfg.read_only,
	    .without = s->cfg.without,
	    .no_scan = s->cfg.no_scan,
	    .block_size = s->cfg.block_size,
	    .connections = s->cfg.connections,
	    .timeout = s->cfg.timeout,
	    .io_timeout = timeouts_io(&s->cfg, 1),
	    .io_timeout_several = timeouts_io(&s->cfg, 2),
	};

	s->attach = attach_new(&s->env, &cfg, &events, s);
	return s->attach ? 0 : err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
}
