/* SPDX-License-Identifier: MIT */
/*
 * --fence: a writable device uses another server only after the command has succeeded. No server is
 * dialled while it runs. The connection that proved that the other server is reachable is closed
 * before, and the server is dialled again afterwards.
 */
#include "supervise/reconnect/reconnect-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

#define FENCE_PAUSE_MS 5000 /* after a failure, before it is run again */

bool fencing_is_due(const struct reconnect *r)
{
	return r->cfg.fence && !(r->env->at->plan.flags & NBD_TX_READ_ONLY) &&
	       targets_to_fence(&r->targets) != 0;
}

static int start_fence(struct reconnect *r, struct err *err);

static void fence_failed(struct reconnect *r, const struct err *err)
{
	if (strcmp(r->fence_err.message, err->message) != 0 || r->fence_text[0] == '\0')
		log_error("/dev/nbd%d: %s: no other server is used (I/O waits)", r->env->at->index,
			  err->message);
	r->fence_err = *err;
	r->fence_failed = loop_now();
	snprintf(r->fence_text, sizeof(r->fence_text), "failed: %.190s; no other server is used",
		 err->message);
}

static void fenced(int ret, const struct err *err, void *arg)
{
	struct reconnect *r = arg;
	struct err again;

	fence_free(TAKE_PTR(r->fence));
	if (ret == 0) {
		log_notice("/dev/nbd%d: the lost server is fenced off", r->env->at->index);
		targets_fenced(&r->targets, r->fencing);
		snprintf(r->fence_text, sizeof(r->fence_text), "done");
		r->fence_failed = 0;
	} else {
		fence_failed(r, err);
		targets_failed(&r->targets, false);
	}
	if (ret == 0 && fencing_is_due(r) && start_fence(r, &again) == 0)
		return;
	/* Dials again: the connection from before the command proves nothing any more. */
	redial_want(r->redial, reconnect_look(r).wanted, true, false);
	if (ret < 0) {
		turns_next(r);
	} else {
		/* The name server may have been fenced off, too. */
		turns_keep_addresses(r);
		turns_aim(r, true);
	}
	r->events->changed(r->arg);
}

/* The first one of the servers that must be fenced off. */
static int start_fence(struct reconnect *r, struct err *err)
{
	uint32_t bits = targets_to_fence(&r->targets);
	_cleanup_free_ char *next = endpoint_uri(targets_aimed(&r->targets)->endpoint);
	_cleanup_free_ char *failed = NULL;
	struct fence_config cfg = {
	    .command = r->cfg.fence,
	    .index = r->env->at->index,
	    .next_uri = next,
	    .timeout_ms = FENCE_TIMEOUT_MS,
	};
	int ret;

	r->fencing = (size_t)__builtin_ctz(bits);
	failed = endpoint_uri(r->targets.item[r->fencing].endpoint);
	cfg.failed_uri = failed;
	if (!next || !failed)
		return err_set(err, ERR_RETRY, ENOMEM, "out of memory");
	ret = fence_new(r->env->loop, &cfg, fenced, r, &r->fence, err);
	if (ret < 0)
		return ret;
	log_warning(
	    "/dev/nbd%d: another server is available, %s: running the --fence command against %s",
	    r->env->at->index, next, failed);
	snprintf(r->fence_text, sizeof(r->fence_text), "running against %.200s", failed);
	r->events->changed(r->arg);
	return 0;
}

int fencing_start(struct reconnect *r, struct err *err)
{
	int ret;

	if (r->fence_failed && loop_now() - r->fence_failed < FENCE_PAUSE_MS) {
		*err = r->fence_err;
		return -EAGAIN;
	}
	ret = start_fence(r, err);
	if (ret < 0) {
		fence_failed(r, err);
		return ret;
	}
	loop_timer_cancel(r->turn);
	redial_want(r->redial, 0, false, false);
	return err_set(err, ERR_RETRY, EINPROGRESS, "the --fence command is running");
}
