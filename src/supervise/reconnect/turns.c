/* SPDX-License-Identifier: MIT */
/*
 * --failover: in an outage the servers take turns, in the order of targets.h, until one of them
 * answers with the same export.
 */
#include "supervise/reconnect/reconnect-private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/kernel.h"

#define BUSY_PAUSE_MS	500 /* while the helper thread works on the connections */
#define SERVING_UNKNOWN "unknown"

static bool equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* The helpers of one server also fit the other: both use the same TLS files and options. */
static bool share_helpers(const struct endpoint *a, const struct endpoint *b)
{
	return a->type == b->type && a->tls == b->tls && a->tls_type == b->tls_type &&
	       equal(a->tls_certificates, b->tls_certificates) &&
	       equal(a->tls_psk_file, b->tls_psk_file) && equal(a->tls_ca, b->tls_ca) &&
	       equal(a->tls_crl, b->tls_crl) && equal(a->tls_cert, b->tls_cert) &&
	       equal(a->tls_key, b->tls_key);
}

static int make_helpers(struct reconnect *r, size_t i, struct err *err)
{
	const struct endpoint *e = r->targets.item[i].endpoint;
	struct helpers **own = &r->own[i];
	struct err no_tls;
	int ret;

	if (share_helpers(r->cfg.endpoint, e))
		return 0;
	ret = r->events->make_helpers(e, own, err, r->arg);
	if (ret == 0 && e->tls && !helpers_relay(*own) && kernel_check_tls(&no_tls) < 0)
		helpers_set_relay(*own);
	return ret;
}

int turns_prepare(struct reconnect *r, struct err *err)
{
	const struct endpoint *list[TARGETS_MAX] = {r->cfg.endpoint};
	int ret = 0;

	assert(r->cfg.n_failover < TARGETS_MAX);
	for (size_t i = 0; i < r->cfg.n_failover; i++)
		list[i + 1] = &r->cfg.failover[i];
	targets_init(&r->targets, list, 1 + r->cfg.n_failover, r->cfg.failback);
	r->turn = loop_timer_new(r->env->loop, turns_next, r);
	if (!r->turn)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	for (size_t i = 1; ret == 0 && i < r->targets.n; i++)
		ret = make_helpers(r, i, err);
	return ret;
}

void turns_free(struct reconnect *r)
{
	fence_free(TAKE_PTR(r->fence));
	loop_timer_free(TAKE_PTR(r->turn));
	for (size_t i = 0; i < TARGETS_MAX; i++)
		helpers_free(TAKE_PTR(r->own[i]));
}

struct helpers *turns_helpers(const struct reconnect *r, size_t i)
{
	return r->own[i] ? r->own[i] : r->cfg.helpers;
}

/* For the status and for a later supervisor. */
void turns_note(struct reconnect *r)
{
	const struct targets *t = &r->targets;
	_cleanup_free_ char *uri = NULL;

	if (t->n == 1)
		return;
	if (t->serving >= 0)
		uri = endpoint_uri(t->item[t->serving].endpoint);
	snprintf(r->serving, sizeof(r->serving), "%s", uri ? uri : SERVING_UNKNOWN);
}

/*
 * The server in use after a failover must be among those given: otherwise it can be neither dialled
 * in parallel to its own connections nor fenced off, although it has the device's writes.
 */
static int find_serving(struct reconnect *r, const struct state *state, int *ret_serving,
			struct err *err)
{
	const struct targets *t = &r->targets;
	const char *uri = state && state->serving[0] ? state->serving : state ? state->uri : "";

	*ret_serving = targets_find(t, uri);
	if (*ret_serving >= 0)
		return 0;
	if (!state || strcmp(uri, SERVING_UNKNOWN) == 0 || (t->n == 1 && !state->serving[0])) {
		*ret_serving = t->n == 1 ? 0 : -1;
		return 0;
	}
	return err_set(err, ERR_USAGE, EINVAL,
		       "/dev/nbd%d is connected to %.600s, which is not one of the servers given: "
		       "add it with --failover, or detach the device and attach it again",
		       r->env->at->index, uri);
}

int turns_may_adopt(struct reconnect *r, const struct state *state, struct err *err)
{
	int serving;

	return find_serving(r, state, &serving, err);
}

int turns_adopt(struct reconnect *r, const struct state *state, struct err *err)
{
	int serving, ret = find_serving(r, state, &serving, err);

	if (ret < 0)
		return ret;
	if (serving < 0)
		log_warning("/dev/nbd%d: there is no record of which server it is connected to: "
			    "when the connection is lost, every server is tried",
			    r->env->at->index);
	targets_take_over(&r->targets, serving);
	if (state)
		r->failovers = state->failovers;
	turns_note(r);
	content_adopt(r, state ? state->content : "");
	return 0;
}

void turns_time(struct reconnect *r)
{
	uint64_t now = loop_now(), next = redial_next(r->redial);

	if (r->turning)
		loop_timer_set(r->turn,
			       (next > now ? next - now : 0) +
				   targets_patience(&r->targets, r->cfg.connect_timeout_ms));
}

/* Switches from the present server to the aimed one. */
void turns_aim(struct reconnect *r, bool at_once)
{
	struct targets *t = &r->targets;
	struct target *target = targets_aimed(t);

	redial_aim(r->redial, target->endpoint, turns_helpers(r, t->aimed), &target->addresses,
		   at_once);
	turns_time(r);
}

void turns_keep_addresses(struct reconnect *r)
{
	targets_aimed(&r->targets)->addresses = *redial_addresses(r->redial);
}

/* True if no connection is in use, ready or being handed over. */
static bool is_open(const struct reconnect *r)
{
	const struct reconnect_view view = reconnect_look(r);

	return r->turning && !r->fence && !view.busy && view.ready == 0 && view.alive == 0;
}

void turns_next(void *arg)
{
	struct reconnect *r = arg;
	bool again;

	if (r->turning && reconnect_look(r).busy) /* or waiting requests being failed */
		loop_timer_set(r->turn, BUSY_PAUSE_MS);
	if (!is_open(r))
		return;
	turns_keep_addresses(r);
	again = targets_next(&r->targets);
	turns_aim(r, !again);
}

void turns_turn_on(struct reconnect *r, bool wrong)
{
	if (!is_open(r))
		return;
	targets_failed(&r->targets, wrong);
	loop_timer_set(r->turn, 0);
}

bool turns_may_dial(struct reconnect *r)
{
	const struct reconnect_view view = reconnect_look(r);

	if (r->targets.n == 1 || view.ready)
		return true;
	/* Beside others, a connection may only go to their server. */
	if (view.alive > 0)
		return r->targets.serving == (int)r->targets.aimed;
	if (r->fence)
		return false;
	turns_keep_addresses(r);
	if (r->turning && r->not_healed) {
		targets_failed(&r->targets, false);
		targets_next(&r->targets);
	} else if (!r->turning) {
		r->turning = true;
		r->lost = r->targets.serving;
		targets_begin(&r->targets);
	}
	turns_aim(r, true);
	return true;
}

void turns_healed(struct reconnect *r)
{
	targets_healed(&r->targets);
	if (!r->turning)
		return;
	r->turning = false;
	loop_timer_cancel(r->turn);
	r->fence_text[0] = '\0';
	if (r->lost == r->targets.serving)
		return;
	r->failovers++;
	log_warning("/dev/nbd%d: another server serves it now: %s", r->env->at->index, r->serving);
}

void turns_stop(struct reconnect *r)
{
	r->turning = false;
	if (r->turn)
		loop_timer_cancel(r->turn);
	if (r->fence)
		r->fence_text[0] = '\0'; /* "running" */
	fence_free(TAKE_PTR(r->fence));
}
