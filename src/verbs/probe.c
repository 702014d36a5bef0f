/* SPDX-License-Identifier: MIT */
#include "verbs/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/progress.h"
#include "runtime/state.h"
#include "verbs/passing.h"

#define DAY INT64_C(86400) /* seconds */

struct outcome {
	struct loop *loop;
	struct probe_answer answer;
	struct err err;
};

static void ended(struct attempt *a, int ret, struct attempt_result *result, const struct err *err,
		  void *arg)
{
	struct outcome *out = arg;

	(void)a;
	if (ret < 0) {
		out->err = *err;
		passing_explain(&out->err);
		log_error("%s", out->err.message);
		loop_stop(out->loop, err_exit_status(out->err.kind));
		return;
	}
	passing_answered();
	out->answer.export = result->export;
	out->answer.tls = result->tls;
	address_describe(&result->peer, out->answer.address, sizeof(out->answer.address));
	loop_stop(out->loop, 0);
}

/* The attempt's callbacks carry one argument: the listing's own travels beside the outcome. */
struct probe_args {
	struct outcome outcome;
	attempt_listed_fn *listed;
	void *arg;
};

static void listed_one(const char *name, const char *description, void *arg)
{
	struct probe_args *p = arg;

	p->listed(name, description, p->arg);
}

void probe_warn(const struct options *o)
{
	const char *warning = endpoint_warning(&o->endpoint);

	if (warning)
		log_warning("%s", warning);
}

static void warn_of_expiry(const char *whose, int64_t when)
{
	int64_t left = when - time(NULL);

	if (when && left < 0)
		log_warning("%s certificate has expired: renew it", whose);
	else if (when && left < STATE_EXPIRY_WARNING)
		log_warning("%s certificate expires in %lld days: renew it", whose,
			    (long long)(left / DAY));
}

void probe_warn_of_expiry(const struct tls_facts *tls)
{
	warn_of_expiry("the server's", tls->peer_expires);
	warn_of_expiry("our", tls->own_expires);
}

int probe(const struct options *o, enum nego_goal goal, attempt_listed_fn *listed, void *arg,
	  struct probe_answer *ret_answer, struct err *ret_err)
{
	const char *server = passing_server(NULL);
	char name[ADDRESS_TEXT_MAX];
	struct attempt_config cfg = {
	    .endpoint = &o->endpoint,
	    .name = server ? name : NULL,
	    .source = o->source,
	    .goal = goal,
	    .timeout_ms = o->connect_timeout_ms,
	};
	struct probe_args p = {.listed = listed, .arg = arg};
	struct attempt *attempt;
	int ret;

	snprintf(name, sizeof(name), "the server %s", server ? server : "");
	p.outcome.loop = loop_new();
	if (!p.outcome.loop) {
		err_errno(ret_err, ERR_SYSTEM, errno, "cannot start the event loop");
		log_error("%s", ret_err->message);
		return err_exit_status(ERR_SYSTEM);
	}
	ret = attempt_new(p.outcome.loop, &cfg, ended, listed_one, &p, &attempt, &p.outcome.err);
	if (ret < 0) {
		log_error("%s", p.outcome.err.message);
		ret = err_exit_status(p.outcome.err.kind);
	} else {
		progress_begin("waiting for the server");
		ret = loop_run(p.outcome.loop);
		progress_end();
		attempt_free(attempt);
	}
	loop_free(p.outcome.loop);
	if (ret == 0)
		*ret_answer = p.outcome.answer;
	else
		*ret_err = p.outcome.err;
	return ret;
}
