/* SPDX-License-Identifier: MIT */
/*
 * --fence: a writable device uses another server only when the command has succeeded, while nothing
 * is dialled. The connection that proved that the other server is there is closed for that time,
 * and the server is asked anew afterwards.
 */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

#define FENCE_PAUSE_MS 5000 /* after a failure, before it is run again */

bool supervisor_must_fence(const struct supervisor *s)
{
	return s->cfg.fence && !(s->at.plan.flags & NBD_TX_READ_ONLY) &&
	       targets_to_fence(&s->over.targets) != 0;
}

static int start_fence(struct supervisor *s, struct err *err);

static void fence_failed(struct supervisor *s, const struct err *err)
{
	struct failing_over *f = &s->over;

	if (strcmp(f->fence_err.message, err->message) != 0 || s->report.fence[0] == '\0')
		log_error("/dev/nbd%d: %s: no other server is used (I/O waits)", s->at.index,
			  err->message);
	f->fence_err = *err;
	f->fence_failed = loop_now();
	snprintf(s->report.fence, sizeof(s->report.fence),
		 "failed: %.190s; no other server is used", err->message);
}

static void fenced(int ret, const struct err *err, void *arg)
{
	struct supervisor *s = arg;
	struct failing_over *f = &s->over;
	struct err again;

	fence_free(TAKE_PTR(f->fence));
	if (ret == 0) {
		log_notice("/dev/nbd%d: the lost server is fenced off", s->at.index);
		targets_fenced(&f->targets, f->fencing);
		snprintf(s->report.fence, sizeof(s->report.fence), "done");
		f->fence_failed = 0;
	} else {
		fence_failed(s, err);
		targets_failed(&f->targets, false);
	}
	if (ret == 0 && supervisor_must_fence(s) && start_fence(s, &again) == 0)
		return;
	/* Dialled anew: the connection from before the command proves nothing any more. */
	redial_want(s->redial, links_wanted(s->links), true, false);
	if (ret < 0) {
		supervisor_next_turn(s);
	} else {
		/* Who resolves names may have been fenced off, too. */
		supervisor_keep_addresses(s);
		supervisor_aim(s, true);
	}
	supervisor_touch(s);
}

/* Of the servers to be fenced off, the first one. */
static int start_fence(struct supervisor *s, struct err *err)
{
	struct failing_over *f = &s->over;
	uint32_t bits = targets_to_fence(&f->targets);
	_cleanup_free_ char *next = endpoint_uri(targets_aimed(&f->targets)->endpoint);
	_cleanup_free_ char *failed = NULL;
	struct fence_config cfg = {
	    .command = s->cfg.fence,
	    .index = s->at.index,
	    .next_uri = next,
	    .timeout_ms = FENCE_TIMEOUT_MS,
	};
	int ret;

	f->fencing = (size_t)__builtin_ctz(bits);
	failed = endpoint_uri(f->targets.item[f->fencing].endpoint);
	cfg.failed_uri = failed;
	if (!next || !failed)
		return err_set(err, ERR_RETRY, ENOMEM, "out of memory");
	ret = fence_new(s->env.loop, &cfg, fenced, s, &f->fence, err);
	if (ret < 0)
		return ret;
	log_warning(
	    "/dev/nbd%d: another server is available, %s: running the --fence command against %s",
	    s->at.index, next, failed);
	snprintf(s->report.fence, sizeof(s->report.fence), "running against %.200s", failed);
	supervisor_touch(s);
	return 0;
}

int supervisor_fence(struct supervisor *s, struct err *err)
{
	struct failing_over *f = &s->over;
	int ret;

	if (f->fence_failed && loop_now() - f->fence_failed < FENCE_PAUSE_MS) {
		*err = f->fence_err;
		return -EAGAIN;
	}
	ret = start_fence(s, err);
	if (ret < 0) {
		fence_failed(s, err);
		return ret;
	}
	loop_timer_cancel(f->turn);
	redial_want(s->redial, 0, false, false);
	return err_set(err, ERR_RETRY, EINPROGRESS, "the --fence command is running");
}
