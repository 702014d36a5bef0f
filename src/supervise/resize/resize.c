/* SPDX-License-Identifier: MIT */
#include "supervise/resize/resize-private.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/sysfs.h"
#include "runtime/state.h"

#define EVERY_MAX 16 /* periods between two checks if the server does not answer */

static int check(struct resize *z, const struct attempt_result *r, uint64_t *ret_size,
		 struct err *err)
{
	const struct resize_view view = resize_look(z);
	const struct nbd_export *e = &r->export;
	uint64_t cut = e->size - e->size % z->env->at->plan.block_size;
	bool other = view.endpoint->type == ENDPOINT_UNIX && view.unix_uid != (uid_t)-1 &&
		     r->unix_uid != view.unix_uid;

	if (cut < z->env->at->plan.size)
		return err_set(err, ERR_PERMANENT, ESTALE,
			       "the export is smaller now, %llu bytes instead of %llu: the device "
			       "keeps its size, because an attached device cannot be made smaller, "
			       "and requests beyond the export's end fail",
			       (unsigned long long)e->size,
			       (unsigned long long)z->env->at->known.size);
	if (other || z->events->check(e, ret_size, err, z->arg) < 0)
		return err_set(err, ERR_PERMANENT, ESTALE,
			       "a new connection finds another export, or one with fewer features "
			       "than the one that was attached: the device keeps its size; "
			       "`nbd-attach --info` shows what is there");
	return 0;
}

static void unanswered(struct resize *z, const struct err *err)
{
	struct err longer = *err;

	z->every *= z->every < EVERY_MAX ? 2 : 1;
	if (err->kind == ERR_RETRY)
		err_set(&longer, ERR_RETRY, EAGAIN,
			"%s; or the server accepts only one client, which is this device: then "
			"detach the device and attach it again for the new size",
			err->message);
	resize_end(z, err_exit_status(longer.kind), longer.message);
}

/* The server answers, but the device cannot use its export. */
static void refused(struct resize *z, const struct err *err)
{
	bool news = news_take(&z->odd, err->message, loop_now());

	if (!z->asked)
		log_line(news ? LOG_WARNING : LOG_DEBUG, "/dev/nbd%d: %s", z->env->at->index,
			 err->message);
	resize_end(z, err_exit_status(err->kind), err->message);
}

static void same_size(struct resize *z)
{
	char size[64];
	struct err err;

	err_set(&err, ERR_FAILED, 0, "/dev/nbd%d has the export's size, %s", z->env->at->index,
		size_text(z->env->at->plan.size, size, sizeof(size)));
	news_forget(&z->odd);
	resize_end(z, 0, err.message);
}

static void connected(struct attempt *a, int ret, struct attempt_result *result,
		      const struct err *err, void *arg);

/*
 * While connections are alive, only their server is asked. The user who serves a connection is
 * known only while the server keeps it open.
 */
static int dial(struct resize *z, enum nego_goal goal, struct err *err)
{
	const struct resize_view view = resize_look(z);
	const struct address_list *known = view.addresses;
	struct address_list one = {.n = 1, .item = {known->item[0]}};
	struct attempt_config cfg = {
	    .endpoint = view.endpoint,
	    .addresses = known->n ? &one : NULL,
	    .source = z->cfg.source,
	    .peer_uid = z->cfg.peer_uid,
	    .goal = z->cfg.peer_uid ? NEGO_GOAL_GO : goal,
	    .timeout_ms = z->cfg.connect_timeout_ms,
	    .peer_timeout_ms = z->cfg.peer_timeout_ms,
	    .helpers = view.helpers,
	    .thrifty = true,
	    .sample = view.sample,
	    .sample_size = view.sample_size,
	};

	return attempt_new(z->env->loop, &cfg, connected, NULL, z, &z->attempt, err);
}

/*
 * Handles an answer: the first one tells the size; then as many connections are made as the device
 * has.
 */
static void answered(struct resize *z, struct attempt_result *result)
{
	bool first = z->size == 0;
	uint64_t size = 0;
	struct err err;

	z->every = 1;
	if (check(z, result, &size, &err) < 0) {
		refused(z, &err);
		return;
	}
	/*
	 * The size may change between two of them: only a size that all of them know can be used.
	 */
	z->size = first || size < z->size ? size : z->size;
	if (z->size == z->env->at->plan.size) {
		same_size(z);
		return;
	}
	if (!links_may_end(z->cfg.links)) {
		resize_end(
		    z, err_exit_status(ERR_FAILED),
		    "the connections were made by a supervisor that has died, and cannot be "
		    "replaced: the device takes the export's size when it is connected again");
		return;
	}
	if (!first && z->events->check_content(result, &err, z->arg) < 0) {
		refused(z, &err);
		return;
	}
	if (!first) {
		z->fd[z->n++] = TAKE_FD(result->fd);
		z->events->connected(result, z->arg);
	}
	if (z->n < links_wanted(z->cfg.links)) {
		if (dial(z, NEGO_GOAL_GO, &err) < 0)
			resize_end(z, err_exit_status(err.kind), err.message);
		return;
	}
	z->renewed = false;
	z->quiet.unseen_ms = z->env->at->resent_ms;
	quiet_restart(&z->quiet);
	z->since = loop_now();
	loop_timer_set(z->look, 0);
}

static void connected(struct attempt *a, int ret, struct attempt_result *result,
		      const struct err *err, void *arg)
{
	struct resize *z = arg;
	struct err fill;

	z->attempt = NULL;
	if (ret < 0)
		unanswered(z, err);
	else if (!resize_look(z).attached)
		resize_lost_meanwhile(z);
	else
		answered(z, result);
	attempt_free(a);
	if (helpers_fill(z->cfg.helpers, &fill) < 0)
		log_warning("%s", fill.message);
}

/* True if a check is under way, or growing. */
static bool busy(const struct resize *z)
{
	return z->attempt || z->size || z->growing;
}

static bool start(struct resize *z, struct err *err)
{
	if (!resize_look(z).reconnects)
		return err_set(err, ERR_FAILED, EINVAL,
			       "it was attached with --no-reconnect, and its connections know the "
			       "old size only: detach it and attach it again") == 0;
	if (!sysfs_kernel_since(5, 8) && links_wanted(z->cfg.links) == 1)
		return err_set(err, ERR_SYSTEM, ENOTSUP,
			       "this kernel cannot replace a single connection (5.8 can): detach "
			       "the device and attach it again for the new size") == 0;
	return dial(z, NEGO_GOAL_INFO, err) == 0;
}

static void arm(struct resize *z)
{
	if (z->cfg.watch_size_s)
		loop_timer_set(z->period, z->cfg.watch_size_s * 1000 * z->every);
}

static void period_over(void *arg)
{
	struct resize *z = arg;
	struct err err;

	if (resize_look(z).attached && !busy(z) && !start(z, &err))
		log_debug("/dev/nbd%d: --resize: %s", z->env->at->index, err.message);
	arm(z);
}

struct resize *resize_new(const struct part_env *env, const struct resize_config *cfg,
			  const struct resize_events *events, void *arg)
{
	struct resize *z = calloc(1, sizeof(*z));

	if (!z)
		return NULL;
	*z = (struct resize){.env = env, .cfg = *cfg, .events = events, .arg = arg};
	z->look = loop_timer_new(env->loop, resize_look_for_moment, z);
	z->period = loop_timer_new(env->loop, period_over, z);
	if (z->look && z->period)
		return z;
	resize_free(z);
	return NULL;
}

void resize_free(struct resize *z)
{
	if (!z)
		return;
	loop_timer_free(z->look);
	loop_timer_free(z->period);
	free(z);
}

void resize_watch(struct resize *z)
{
	z->every = 1;
	arm(z);
}

void resize_ask(struct resize *z)
{
	const struct resize_view view = resize_look(z);
	struct err err;

	z->asked = true;
	if (view.leaving)
		resize_answer(z, err_exit_status(ERR_BUSY), "the device is being detached");
	else if (!kernel_can_change(z->env->kernel))
		resize_answer(
		    z, err_exit_status(ERR_SYSTEM),
		    "a device that was attached with ioctl cannot be resized: detach it and "
		    "attach it again");
	else if (!busy(z) && !view.attached)
		resize_lost_meanwhile(z);
	else if (!busy(z) && !start(z, &err))
		resize_end(z, err_exit_status(err.kind), err.message);
}

bool resize_is_asked(const struct resize *z)
{
	return z->asked;
}

void resize_forget_asked(struct resize *z)
{
	z->asked = false;
}

void resize_stop(struct resize *z)
{
	if (!z)
		return;
	if (busy(z))
		resize_end(z, err_exit_status(ERR_BUSY), "the device is being detached");
	loop_timer_cancel(z->look);
	loop_timer_cancel(z->period);
}
