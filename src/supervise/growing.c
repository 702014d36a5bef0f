/* SPDX-License-Identifier: MIT */
/* Events of the part that follows the export's size, and what the supervisor does. */
#include "supervise/growing.h"

#include <errno.h>

#include "supervise/core.h"
#include "supervise/finding.h"
#include "supervise/handover/handover.h"
#include "supervise/reconnect/identity.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/requests/requests.h"
#include "supervise/resize/resize.h"
#include "supervise/steps.h"
#include "supervise/watch/watch.h"
#include "supervise/watching.h"

static void look(struct resize_view *ret_view, void *arg)
{
	const struct supervisor *s = arg;

	uint64_t sample_size;
	uint32_t sample;

	reconnect_sample(s->reconnect, &sample, &sample_size);
	*ret_view = (struct resize_view){
	    .sample = sample,
	    .sample_size = sample_size,
	    .reconnects = s->cfg.reconnect,
	    .attached = s->state == FSM_ATTACHED,
	    .leaving = s->state == FSM_DETACHING || s->state == FSM_LEAVING,
	    .busy = handover_is_busy(s->handover),
	    .stalled = watch_is_stalled(s->watch),
	    .recovered = s->outage.recovered,
	    .uncounted = supervisor_uncounted_at(s),
	    .endpoint = reconnect_endpoint(s->reconnect),
	    .addresses = reconnect_addresses(s->reconnect),
	    .helpers = reconnect_helpers(s->reconnect),
	    .unix_uid = reconnect_unix_uid(s->reconnect),
	};
}

static void answer(int status, const char *sentence, void *arg)
{
	requests_answer(((struct supervisor *)arg)->requests, status, sentence);
}

static int check_content(const struct attempt_result *result, struct err *err, void *arg)
{
	return reconnect_check_content(((struct supervisor *)arg)->reconnect, result, err);
}

static void connected(const struct attempt_result *result, void *arg)
{
	struct supervisor *s = arg;

	serving_note_tls(&s->serving, &s->at, reconnect_endpoint(s->reconnect), &result->tls,
			 result->relay);
	supervisor_note_server(s);
}

/* There is no outage, so no other socket is ready. */
static void renew(const int *fd, size_t n, void *arg)
{
	struct supervisor *s = arg;

	for (size_t i = 0; i < n; i++)
		handover_add(s->handover, fd[i]);
	supervisor_end_connections(s, "it is replaced for the export's new size");
	supervisor_post(s, FSM_REDIALLED, NULL);
}

static void grown(uint64_t size, void *arg)
{
	struct supervisor *s = arg;

	s->at.plan.size = size;
	s->at.known.size = size;
	supervisor_touch(s);
}

static int check(const struct nbd_export *e, uint64_t *ret_size, struct err *err, void *arg)
{
	const struct supervisor *s = arg;
	unsigned accept = reconnect_accepted(s->reconnect) | ACCEPT_SMALLER;

	return identity_check(&s->at.plan, &s->at.known, s->at.name, e, accept, ret_size, err);
}

int supervisor_prepare_resize(struct supervisor *s, struct err *err)
{
	static const struct resize_events events = {
	    .look = look,
	    .answer = answer,
	    .check_content = check_content,
	    .connected = connected,
	    .renew = renew,
	    .grown = grown,
	    .check = check,
	};
	const struct resize_config cfg = {
	    .links = s->links,
	    .helpers = s->helpers,
	    .source = s->cfg.source,
	    .peer_uid = s->cfg.peer_uid,
	    .connect_timeout_ms = s->cfg.connect_timeout_ms,
	    .peer_timeout_ms = s->cfg.peer_timeout_ms,
	    .watch_size_s = s->cfg.watch_size_s,
	};

	s->resize = resize_new(&s->env, &cfg, &events, s);
	return s->resize ? 0 : err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
}
