/* SPDX-License-Identifier: MIT */
/* Events of reconnect/, and what the supervisor does. */
#include "supervise/finding.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "captive/captive.h"
#include "supervise/core.h"
#include "supervise/handover/handover.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/resize/resize.h"
#include "supervise/steps.h"

bool supervisor_dials(const struct supervisor *s)
{
	switch (s->state) {
	case FSM_DEGRADED:
	case FSM_LOST:
	case FSM_HEALING:
	case FSM_REFUSED:
	case FSM_HELD:
	case FSM_EXPIRED:
		return true;
	case FSM_STARTING:
	case FSM_WAITING:
	case FSM_JOINING:
	case FSM_CONFIGURING:
	case FSM_ADOPTING:
	case FSM_ATTACHED:
	case FSM_GIVING:
	case FSM_DETACHING:
	case FSM_LEAVING:
	case FSM_ENDED:
	case FSM_STATES:
		break;
	}
	return false;
}

void supervisor_note_server(struct supervisor *s)
{
	memcpy(s->in_use.server, s->at.server, sizeof(s->in_use.server));
	s->in_use.serving = s->serving;
}

void supervisor_recall_server(struct supervisor *s)
{
	memcpy(s->at.server, s->in_use.server, sizeof(s->at.server));
	s->serving = s->in_use.serving;
}

static void found(struct attempt_result *result, uint64_t size, void *arg)
{
	struct supervisor *s = arg;

	resize_note_size(s->resize, size,
			 links_alive(s->links) > 0 || handover_ready(s->handover) > 0 ||
			     handover_is_busy(s->handover));
	handover_add(s->handover, TAKE_FD(result->fd));
	serving_note_tls(&s->serving, &s->at, reconnect_endpoint(s->reconnect), &result->tls,
			 result->relay);
	serving_note_flush(&s->serving, &s->at, result->export.flags);
	address_describe(&result->peer, s->at.server, sizeof(s->at.server));
	supervisor_post(s, FSM_REDIALLED, NULL);
}

static void refused(const struct err *err, void *arg)
{
	supervisor_post(arg, FSM_CHANGED, err);
}

static void differs(const struct err *err, void *arg)
{
	supervisor_post(arg, FSM_DIFFERS, err);
}

static void changed(void *arg)
{
	supervisor_touch(arg);
}

static void explain(struct err *err, void *arg)
{
	const struct supervisor *s = arg;

	if (s->captive)
		captive_explain(s->captive, false, err);
}

static void look(struct reconnect_view *ret_view, void *arg)
{
	const struct supervisor *s = arg;

	*ret_view = (struct reconnect_view){
	    .dials = s->cfg.reconnect && supervisor_dials(s),
	    .has_room = handover_has_room(s->handover),
	    .busy = handover_is_busy(s->handover),
	    .wanted = links_wanted(s->links),
	    .alive = links_alive(s->links),
	    .ready = handover_ready(s->handover),
	};
}

static int make_helpers(const struct endpoint *e, struct helpers **ret_helpers, struct err *err,
			void *arg)
{
	return supervisor_make_helpers(arg, e, 0, ret_helpers, err);
}

int supervisor_prepare_reconnect(struct supervisor *s, struct err *err)
{
	static const struct reconnect_events events = {
	    .found = found,
	    .refused = refused,
	    .differs = differs,
	    .changed = changed,
	    .explain = explain,
	    .look = look,
	    .make_helpers = make_helpers,
	};
	const struct reconnect_config cfg = {
	    .endpoint = s->cfg.endpoint,
	    .failover = s->cfg.failover,
	    .n_failover = s->cfg.n_failover,
	    .failback = s->cfg.failback,
	    .fence = s->cfg.fence,
	    .failover_unfenced = s->cfg.failover_unfenced,
	    .same_content = s->cfg.same_content,
	    .accept = s->cfg.accept,
	    .source = s->cfg.source,
	    .peer_uid = s->cfg.peer_uid,
	    .helpers = s->helpers,
	    .backoff = s->cfg.backoff,
	    .connect_timeout_ms = s->cfg.connect_timeout_ms,
	    .peer_timeout_ms = s->cfg.peer_timeout_ms,
	    .follow_dns = s->cfg.follow_dns,
	    .swap = s->cfg.swap,
	};

	return reconnect_new(&s->env, &cfg, &events, s, &s->reconnect, err);
}
