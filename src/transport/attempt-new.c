/* SPDX-License-Identifier: MIT */
/* Makes an attempt as the configuration says. attempt.c carries it out. */
#include "transport/attempt.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/attempt-private.h"

/* RFC 1035 section 2.3.4, as text. */
#define HOST_MAX 253

/* Checks for errors that do not depend on the network. Fills a->source and a->result.addresses. */
static int check(struct attempt *a, const struct attempt_config *cfg, struct err *err)
{
	const struct endpoint *e = cfg->endpoint;
	int ret = source_parse(cfg->source, &a->source, err);

	if (ret < 0)
		return ret;
	ret = tls_job_fill(&a->tls, e, err);
	if (ret < 0)
		return ret;
	a->tls.offload = a->tls.on && cfg->goal == NEGO_GOAL_GO;
	if (cfg->goal == NEGO_GOAL_GO &&
	    ((a->helpers && helpers_relay(a->helpers)) || endpoint_needs_relay(e)))
		attempt_use_relay(a);
	if (e->type != ENDPOINT_TCP && cfg->source)
		return err_set(err, ERR_USAGE, EINVAL, "--source is for TCP, not for %s", a->what);
	assert(!cfg->peer_uid || cfg->goal == NEGO_GOAL_GO);
	if (e->export_name && strlen(e->export_name) > NBD_STRING_MAX)
		return err_set(err, ERR_USAGE, ENAMETOOLONG,
			       "the export name is longer than %d bytes", NBD_STRING_MAX);
	if (cfg->addresses && cfg->addresses->n > 0) {
		a->result.addresses = *cfg->addresses;
		return 0;
	}
	if (e->type == ENDPOINT_TCP && (!e->host[0] || strlen(e->host) > HOST_MAX))
		return err_set(err, ERR_USAGE, EINVAL, "a host name has 1 to %d characters",
			       HOST_MAX);
	ret = address_list_literal(e, &a->result.addresses, err);
	return ret < 0 ? ret : 0;
}

int attempt_new(struct loop *loop, const struct attempt_config *cfg, attempt_done_fn *done,
		attempt_listed_fn *listed, void *arg, struct attempt **ret_attempt, struct err *err)
{
	struct attempt *a = calloc(1, sizeof(*a));
	int ret;

	if (!a)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory");
	*a = (struct attempt){
	    .loop = loop,
	    .endpoint = cfg->endpoint,
	    .goal = cfg->goal,
	    .timeout_ms = cfg->timeout_ms,
	    .peer_timeout_ms = cfg->peer_timeout_ms,
	    .thrifty = cfg->thrifty,
	    .patient = cfg->patient,
	    .sample = cfg->sample,
	    .sample_size = cfg->sample_size,
	    .deadline = loop_now() + cfg->timeout_ms,
	    .done = done,
	    .listed = listed,
	    .arg = arg,
	    .helpers = cfg->helpers,
	    .named = cfg->name != NULL,
	    .owned = cfg->peer_uid != NULL,
	    .peer_uid = cfg->peer_uid ? *cfg->peer_uid : (uid_t)-1,
	    .candidates.all = &a->result.addresses,
	    .kernel_end = -1,
	    .result.fd = -1,
	};
	if (cfg->name)
		snprintf(a->what, sizeof(a->what), "%s", cfg->name);
	else
		endpoint_describe(cfg->endpoint, a->what, sizeof(a->what));
	ret = check(a, cfg, err);
	if (ret == 0 && !a->helpers) {
		ret = helpers_new(loop,
				  &(struct helpers_config){.tls = a->tls.on ? cfg->endpoint : NULL},
				  &a->own_helpers, err);
		a->helpers = a->own_helpers;
	}
	if (ret == 0)
		ret = attempt_start(a, err);
	if (ret < 0) {
		attempt_free(a);
		return ret;
	}
	*ret_attempt = a;
	return 0;
}
