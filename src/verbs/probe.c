/* SPDX-License-Identifier: MIT */
#include "verbs/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct outcome {
	struct loop *loop;
	struct nbd_export export;
	char address[256];
};

static void ended(struct attempt *a, int ret, struct attempt_result *result, const struct err *err,
		  void *arg)
{
	struct outcome *out = arg;

	(void)a;
	if (ret < 0) {
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
	  struct nbd_export *ret_export, char *address, size_t address_size)
{
	struct attempt_config cfg = {
	    .endpoint = &o->endpoint,
	    .source = o->source,
	    .goal = goal,
	    .timeout_ms = o->connect_timeout_ms,
	};
	struct probe_args p = {.listed = listed, .arg = arg};
	struct attempt *attempt;
	struct err err;
	int ret;

	p.outcome.loop = loop_new();
	if (!p.outcome.loop) {
		log_error("cannot start the event loop: %s", strerror(errno));
		return err_exit_status(ERR_SYSTEM);
	}
	ret = attempt_new(p.outcome.loop, &cfg, ended, listed_one, &p, &attempt, &err);
	if (ret < 0) {
		log_error("%s", err.message);
		ret = err_exit_status(err.kind);
	} else {
		ret = loop_run(p.outcome.loop);
		attempt_free(attempt);
	}
	loop_free(p.outcome.loop);
	if (ret == 0) {
		*ret_export = p.outcome.export;
		snprintf(address, address_size, "%s", p.outcome.address);
	}
	return ret;
}
