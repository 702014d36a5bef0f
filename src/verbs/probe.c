/* SPDX-License-Identifier: MIT */
#include "verbs/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "verbs/verbs.h"

struct outcome {
	struct loop *loop;
	struct nbd_export export;
	char address[256];
	struct err err;
};

static void ended(struct attempt *a, int ret, struct attempt_result *result, const struct err *err,
		  void *arg)
{
	struct outcome *out = arg;

	(void)a;
	if (ret < 0) {
		out->err = *err;
		log_error("%s", err->message);
		loop_stop(out->loop, err_exit_status(err->kind));
		return;
	}
	out->export = result->export;
	address_describe(&result->peer, out->address, sizeof(out->address));
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

int probe(const struct options *o, enum nego_goal goal, attempt_listed_fn *listed, void *arg,
	  struct nbd_export *ret_export, char *address, size_t address_size, struct err *ret_err)
{
	struct attempt_config cfg = {
	    .endpoint = &o->endpoint,
	    .source = o->source,
	    .goal = goal,
	    .timeout_ms = o->connect_timeout_ms,
	};
	struct probe_args p = {.listed = listed, .arg = arg};
	struct attempt *attempt;
	int ret;

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
		ret = loop_run(p.outcome.loop);
		attempt_free(attempt);
	}
	loop_free(p.outcome.loop);
	if (ret == 0) {
		*ret_export = p.outcome.export;
		snprintf(address, address_size, "%s", p.outcome.address);
	} else {
		*ret_err = p.outcome.err;
	}
	return ret;
}

void probe_fail_json(const struct err *err, int status)
{
	struct json j;

	json_init(&j, stdout);
	json_object(&j, NULL);
	json_u64(&j, "version", CMD_JSON_VERSION);
	json_string(&j, "error", err->message);
	json_u64(&j, "exit-status", (unsigned)status);
	json_end_object(&j);
	json_finish(&j);
}
