/* SPDX-License-Identifier: MIT */
/* The callbacks of one attempt, in the order in which they come; any may free it. */
#include "transport/attempt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "transport/attempt-private.h"
#include "transport/late.h"
#include "transport/owner.h"

/* The worker's own limit is only a backup and comes after ours. */
#define WORKER_GRACE_MS 1000

#define PEER_TIMEOUT_MS 10000

/* Closes the connection and ends its handshake, but does not wait for either. */
static void hang_up(struct attempt *a)
{
	handshake_free(TAKE_PTR(a->handshake), TAKE_FD(a->result.fd));
}

/* Frees all operations in progress, the connection included. */
static void stop(struct attempt *a)
{
	loop_timer_free(a->deadline_timer);
	loop_timer_free(a->start_timer);
	loop_timer_free(a->share_timer);
	a->deadline_timer = NULL;
	a->start_timer = NULL;
	a->share_timer = NULL;
	lookup_free(TAKE_PTR(a->lookup));
	dial_free(TAKE_PTR(a->dial));
	tls_wait_cancel(&a->keys);
	hang_up(a);
	helper_release(TAKE_PTR(a->worker));
	a->phase = PHASE_DONE;
}

bool attempt_connected(const struct attempt *a)
{
	return a->connected;
}

bool attempt_waits_for_keys(const struct attempt *a)
{
	return a->phase == PHASE_KEYS;
}

void attempt_free(struct attempt *a)
{
	if (!a)
		return;
	stop(a);
	helpers_free(a->own_helpers);
	close_fdp(&a->kernel_end);
	free(a);
}

/* The callback may free the attempt: nothing of it may be used afterwards. */
static void fail(struct attempt *a, int ret)
{
	struct err err = a->first_ret ? a->first_err : a->err;

	ret = a->first_ret ? a->first_ret : ret;
	stop(a);
	a->done(a, ret, NULL, &err, a->arg);
}

static void succeed(struct attempt *a)
{
	struct attempt_result result = a->result;

	a->result.fd = -1;
	stop(a);
	a->done(a, 0, &result, NULL, a->arg);
	close_fdp(&result.fd);
}

/* The address of the server that was reached, or its name. */
static const char *peer_of(const struct attempt *a, char *buf, size_t size)
{
	return a->named ? a->what : address_describe(&a->result.peer, buf, size);
}

static void no_answer(struct attempt *a, uint64_t ms)
{
	char where[ADDRESS_TEXT_MAX];

	late_answer(peer_of(a, where, sizeof(where)), ms, &a->err);
}

static void on_deadline(void *arg)
{
	struct attempt *a = arg;

	switch (a->phase) {
	case PHASE_RESOLVE:
		late_lookup(a->what, a->timeout_ms, &a->err);
		break;
	case PHASE_CONNECT:
		late_connection(a->what, a->dial, a->timeout_ms, &a->err);
		break;
	case PHASE_KEYS:
		late_keys(a->what, a->endpoint, a->timeout_ms, &a->err);
		break;
	case PHASE_HANDSHAKE:
		no_answer(a, a->timeout_ms);
		break;
	case PHASE_DONE:
		return;
	}
	fail(a, -ETIMEDOUT);
}

static void connect_now(struct attempt *a);

/* Closes this connection first, and ends its handshake: no two of an attempt race for the device.
 */
static void connect_again(struct attempt *a)
{
	loop_timer_cancel(a->share_timer);
	hang_up(a);
	connect_now(a);
}

/*
 * Another service may listen at one address of a name: localhost is two. Returns false if no
 * address is left, or if the failure does not depend on the address.
 */
static bool try_the_others(struct attempt *a, int ret)
{
	if ((a->err.kind != ERR_RETRY && a->err.kind != ERR_PERMANENT) || a->listing)
		return false;
	candidates_fail(&a->candidates, &a->result.peer);
	if (candidates_left(&a->candidates) == 0)
		return false;
	if (!a->first_ret) {
		a->first_ret = ret;
		a->first_err = a->err;
	}
	log_info("%s (trying another address)", a->err.message);
	connect_again(a);
	return true;
}

/* An address that accepts and is silent must not hide those that are left. */
static void on_share(void *arg)
{
	struct attempt *a = arg;

	no_answer(a, a->share_ms);
	try_the_others(a, -ETIMEDOUT);
}

static void share_time(struct attempt *a)
{
	uint64_t now = loop_now(), left = a->deadline > now ? a->deadline - now : 0;

	if (!a->patient && candidates_share(&a->candidates, left, &a->share_ms))
		loop_timer_set(a->share_timer, a->share_ms);
}

/*
 * Retries in a form that the kernel can use: with TLS 1.2, where keys are not renewed, or with a
 * relay where the kernel lacks TLS or the cipher. Returns true if it has started another attempt.
 */
static bool try_for_the_kernel(struct attempt *a, int ret)
{
	if (ret == -TLS_RENEWS_KEYS && !a->tls.only_tls12) {
		a->tls.only_tls12 = true;
		if (!a->first_ret) {
			a->first_ret = ret;
			a->first_err = a->err;
		}
	} else if (ret == -TLS_NOT_IN_KERNEL && !a->relay) {
		log_notice("%s: using a relay process", a->err.message);
		attempt_use_relay(a);
		helpers_set_relay(a->helpers); /* the next attempt need not ask the kernel */
	} else {
		return false;
	}
	connect_again(a);
	return true;
}

static void on_shaken(int ret, const struct handshake_told *told, const struct err *err, void *arg)
{
	struct attempt *a = arg;
	char where[ADDRESS_TEXT_MAX];

	loop_timer_cancel(a->share_timer);
	if (ret < 0)
		a->err = *err;
	else if (a->owned)
		ret = owner_check(a->result.fd, a->peer_uid, &a->err);
	if (ret == 0 && a->relay) {
		relays_add(helpers_relays(a->helpers), a->kernel_end, a->result.fd);
		/* The relay has the only copy of the server's, and wants it dropped likewise. */
		sockopts_linger(a->result.fd, true);
		close_fdp(&a->result.fd);
		a->result.fd = TAKE_FD(a->kernel_end);
		a->result.relay = true;
	}
	if (ret == 0 && a->goal == NEGO_GOAL_GO)
		ret = sockopts_hand_over(a->result.fd, &a->err);
	if (ret < 0) {
		/* A system that cannot confine a process is not the server's fault. */
		if (a->err.kind != ERR_SYSTEM)
			err_prefix(&a->err, "%s: ", peer_of(a, where, sizeof(where)));
		if (!try_for_the_kernel(a, ret) && !try_the_others(a, ret))
			fail(a, ret);
		return;
	}
	a->result.tls = *told->tls;
	if (told->export)
		a->result.export = *told->export;
	a->result.sampled = told->digest != NULL;
	if (told->digest)
		a->result.digest = *told->digest;
	if (told->ids)
		a->result.ids = *told->ids;
	if (a->goal != NEGO_GOAL_GO)
		sockopts_close(TAKE_FD(a->result.fd));
	succeed(a);
}

static void on_listed(const char *name, const char *description, void *arg)
{
	struct attempt *a = arg;

	a->listing = true;
	loop_timer_cancel(a->share_timer);
	if (a->listed)
		a->listed(name, description, a->arg);
}

static void shake_hands(struct attempt *a, int keys)
{
	uint64_t now = loop_now();
	struct worker_job job = {
	    .tls = a->tls,
	    .relay = a->relay,
	    .peer_timeout_ms = a->peer_timeout_ms ? a->peer_timeout_ms : PEER_TIMEOUT_MS,
	    .goal = (uint32_t)a->goal,
	    .sample = a->sample,
	    .sample_size = a->sample_size,
	    .timeout_ms = WORKER_GRACE_MS + (uint32_t)(a->deadline > now ? a->deadline - now : 0),
	};
	_cleanup_fd_ int relay_end = -1;
	struct handshake_config cfg = {
	    .job = &job,
	    .fds = {.sock = a->result.fd, .keys = keys},
	    .done = on_shaken,
	    .listed = on_listed,
	    .arg = a,
	};
	int ret = 0;

	a->phase = PHASE_HANDSHAKE;
	a->connected = true;
	snprintf(job.name, sizeof(job.name), "%s",
		 a->endpoint->export_name ? a->endpoint->export_name : "");
	if (a->relay) {
		close_fdp(&a->kernel_end);
		a->kernel_end = -1;
		ret = relays_pair(&a->kernel_end, &relay_end, &a->err);
	}
	cfg.fds.kernel = relay_end;
	if (ret == 0 && !a->worker)
		ret = helpers_take(a->helpers, &a->worker, &a->err);
	if (ret == 0)
		a->worker->relay = a->relay ? relays_inode(a->kernel_end) : 0;
	if (ret == 0)
		ret = handshake_new(a->loop, TAKE_PTR(a->worker), &cfg, &a->handshake, &a->err);
	if (ret < 0)
		fail(a, ret);
	else
		share_time(a);
}

static void on_keys(int ret, int fd, const struct err *err, void *arg)
{
	struct attempt *a = arg;

	if (ret == 0) {
		shake_hands(a, fd);
		return;
	}
	a->err = *err;
	fail(a, ret);
}

static void on_dialled(int ret, int fd, const struct address *peer, const struct err *err,
		       void *arg)
{
	struct attempt *a = arg;

	if (ret < 0) {
		a->err = *err;
		fail(a, ret);
		return;
	}
	a->result.fd = fd;
	a->result.peer = *peer;
	/* No address to try if the handshake fails, nor one to keep time for. */
	candidates_fail_dialled(&a->candidates, a->dial);
	dial_free(TAKE_PTR(a->dial));
	if (peer->sa.ss_family == AF_UNIX)
		ret = owner_of_unix(fd, a->what, &a->result.unix_uid, &a->err);
	if (ret < 0) {
		fail(a, ret);
		return;
	}
	a->phase = PHASE_KEYS;
	if (a->tls.on)
		tls_files_get(helpers_tls_files(a->helpers), &a->keys, on_keys, a);
	else
		shake_hands(a, -1);
}

static void connect_now(struct attempt *a)
{
	struct address_list list;
	const struct dial_config cfg = {
	    .what = a->what,
	    .addresses = &list,
	    .source = &a->source,
	    .peer_timeout_ms = a->peer_timeout_ms,
	};
	int ret;

	candidates_list(&a->candidates, &list);
	a->phase = PHASE_CONNECT;
	a->connected = false;
	ret = dial_new(a->loop, &cfg, on_dialled, a, &a->dial, &a->err);
	if (ret < 0)
		fail(a, ret);
}

static void on_looked_up(int ret, const struct address_list *list, const struct err *err, void *arg)
{
	struct attempt *a = arg;

	if (ret < 0) {
		a->err = *err;
		fail(a, ret);
		return;
	}
	a->result.addresses = *list;
	lookup_free(TAKE_PTR(a->lookup));
	connect_now(a);
}

static void on_start(void *arg)
{
	struct attempt *a = arg;
	const struct endpoint *e = a->endpoint;
	int ret = 0;

	if (a->tls.on)
		tls_files_refresh(helpers_tls_files(a->helpers));
	/*
	 * Starts a worker early, because it can be confined while the name is resolved and the
	 * connection made.
	 */
	if (!a->thrifty && helpers_spares(a->helpers) == 0)
		ret = helpers_take(a->helpers, &a->worker, &a->err);
	if (ret == 0 && a->result.addresses.n > 0) {
		connect_now(a);
		return;
	}
	if (ret == 0)
		ret = lookup_new(a->loop, a->helpers, e->host, e->port, on_looked_up, a, &a->lookup,
				 &a->err);
	if (ret < 0)
		fail(a, ret);
}

int attempt_start(struct attempt *a, struct err *err)
{
	a->deadline_timer = loop_timer_new(a->loop, on_deadline, a);
	a->start_timer = loop_timer_new(a->loop, on_start, a);
	a->share_timer = loop_timer_new(a->loop, on_share, a);
	if (!a->deadline_timer || !a->start_timer || !a->share_timer)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory");
	loop_timer_set(a->deadline_timer, a->timeout_ms);
	loop_timer_set(a->start_timer, 0);
	return 0;
}
