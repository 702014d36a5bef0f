/* SPDX-License-Identifier: MIT */
/* Looks for the server in an outage, and whether what answers is it. */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

bool supervisor_dials(const struct supervisor *s)
{
	switch (s->state) {
	case FSM_DEGRADED:
	case FSM_LOST:
	case FSM_HEALING:
	case FSM_REFUSED:
	case FSM_EXPIRED:
		return true;
	case FSM_STARTING:
	case FSM_WAITING:
	case FSM_JOINING:
	case FSM_CONFIGURING:
	case FSM_ADOPTING:
	case FSM_ATTACHED:
	case FSM_DETACHING:
	case FSM_LEAVING:
	case FSM_ENDED:
	case FSM_STATES:
		break;
	}
	return false;
}

/*
 * The device takes no size that one of its connections does not know: what lies behind the end that
 * the server told a connection fails there.
 */
static void note_size(struct supervisor *s, uint64_t size)
{
	uint64_t known = s->fresh_size ? s->fresh_size : s->at.plan.size;
	bool others = links_alive(s->links) > 0 || handover_ready(s->handover) > 0 ||
		      handover_is_busy(s->handover);

	s->fresh_size = others && known < size ? known : size;
}

/* Rules 2 and 4 of the data safety rules. */
static int same(struct supervisor *s, const struct attempt_result *r, struct err *err)
{
	const struct target *t = targets_aimed(&s->over.targets);
	/* The command may be what makes the other server writable. */
	unsigned accept = s->accept | (supervisor_must_fence(s) ? ACCEPT_READ_ONLY : 0);
	uint64_t size = 0;
	int ret;

	if (t->endpoint->type == ENDPOINT_UNIX && t->unix_uid != (uid_t)-1 &&
	    r->unix_uid != t->unix_uid)
		return err_set(
		    err, ERR_PERMANENT, ESTALE,
		    "another user serves the socket now, uid %u instead of %u: not connected to "
		    "it; detach the device and attach it again if that is right",
		    (unsigned)r->unix_uid, (unsigned)t->unix_uid);
	ret = identity_check(&s->at.plan, &s->at.known, &r->export, accept, &size, err);
	if (ret < 0)
		return ret;
	note_size(s, size);
	return supervisor_same_content(s, r, err);
}

static void not_connected(struct supervisor *s, const struct err *err)
{
	struct target *t = targets_aimed(&s->over.targets);
	bool news = strcmp(t->said, err->message) != 0;

	snprintf(s->report.error, sizeof(s->report.error), "%s", err->message);
	if (err->kind == ERR_PERMANENT) {
		supervisor_post(s, FSM_CHANGED, err);
		return;
	}
	snprintf(t->said, sizeof(t->said), "%s", err->message);
	log_line(news ? LOG_INFO : LOG_DEBUG, "/dev/nbd%d: %s", s->at.index, err->message);
	supervisor_touch(s);
}

/* A redial_fn. */
static bool redialled(int ret, struct attempt_result *result, const struct err *err, void *arg)
{
	struct supervisor *s = arg;
	struct err why;

	if (ret == 0 && (!supervisor_dials(s) || !handover_has_room(s->handover)))
		return false;
	if (ret == 0) {
		char what[ADDRESS_TEXT_MAX];

		ret = same(s, result, &why);
		if (ret < 0 && s->cfg.n_failover)
			err_prefix(&why,
				   "%s: ", address_describe(&result->peer, what, sizeof(what)));
		if (ret == 0 && supervisor_must_fence(s))
			ret = supervisor_fence(s, &why);
		err = &why;
	}
	if (ret < 0) {
		if (err != &why)
			why = *err;
		err = &why;
		if (s->captive)
			captive_explain(s->captive, &why);
		supervisor_turn_on(s, err->kind == ERR_PERMANENT);
		not_connected(s, err);
		return false;
	}
	targets_aimed(&s->over.targets)->unix_uid = result->unix_uid;
	handover_add(s->handover, TAKE_FD(result->fd));
	supervisor_note_tls(s, &result->tls, result->relay);
	supervisor_note_flush(s, result->export.flags);
	address_describe(&result->peer, s->at.server, sizeof(s->at.server));
	supervisor_post(s, FSM_REDIALLED, NULL);
	return true;
}

int supervisor_prepare_redial(struct supervisor *s, const struct address_list *addresses,
			      struct err *err)
{
	struct redial_config cfg = {
	    .endpoint = supervisor_endpoint(s),
	    .addresses = addresses,
	    .source = s->cfg.source,
	    .peer_uid = s->cfg.peer_uid,
	    .helpers = supervisor_helpers(s),
	    .backoff = s->cfg.backoff,
	    .timeout_ms = s->cfg.connect_timeout_ms,
	    .peer_timeout_ms = s->cfg.peer_timeout_ms,
	    .follow_dns = s->cfg.follow_dns,
	    .sample = s->over.content.known ? s->over.content.bytes : 0,
	    .sample_size = s->over.content.size,
	};

	supervisor_remember_addresses(s, addresses);
	targets_aimed(&s->over.targets)->unix_uid = s->unix_uid;
	s->redial = redial_new(s->env.loop, &cfg, redialled, s);
	if (!s->redial)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	return 0;
}

void supervisor_hurry(const char *why, void *arg)
{
	struct supervisor *s = arg;

	if (!supervisor_dials(s) || !s->cfg.reconnect)
		return;
	log_info("/dev/nbd%d: %s: trying at once", s->at.index, why);
	redial_now(s->redial);
}

void supervisor_take_hints(struct supervisor *s)
{
	bool unix_socket = s->cfg.endpoint->type == ENDPOINT_UNIX;

	if (!s->hints)
		s->hints = hints_new(s->env.loop, unix_socket ? s->cfg.endpoint->path : NULL,
				     supervisor_hurry, s);
}
