/* SPDX-License-Identifier: MIT */
/* May the device be detached? Looks for its users and flushes it. */
#include "supervise/detach/release-private.h"

#include <errno.h>

#include "kernel/openers.h"
#include "kernel/sysfs.h"

#define STALL_MS       10000 /* after this time without a completed request, the flush has failed */
#define STALL_FORCE_MS 1000
#define SETTLE_MS      2000 /* for what takes no time if nothing was written */
#define PASSING_MS     50   /* between two looks for udev's processes */
/*
 * A program that udev has started may claim the device for itself, and be gone when we look. Then
 * the claim is repeated, but not for long: a user in the kernel that we cannot see stays.
 */
#define CLAIMS 5

/* After an outage the driver sends requests that were in flight only after a while. */
static uint64_t stall_limit(const struct release *r)
{
	if (r->cfg.force)
		return STALL_FORCE_MS;
	return r->cfg.resent_ms > STALL_MS ? r->cfg.resent_ms : STALL_MS;
}

static uint64_t completed_requests(int index)
{
	struct sysfs_progress p = {.completed = 0};

	sysfs_progress(index, &p);
	return p.completed;
}

static bool waiting_requests(int index)
{
	struct sysfs_progress p;

	/* If that is unknown, the device is not idle. */
	return sysfs_progress(index, &p) < 0 || p.in_flight > 0;
}

void release_look_work(void *arg)
{
	struct release *r = arg;

	struct openers openers;

	/* Its result would not count, and with many processes it takes longer than that may. */
	if (r->cfg.force)
		return;
	openers_init(&openers, r->cfg.index);
	if (!r->claim.pid && openers_none(&openers, 0)) {
		r->look_ret = 0;
		r->usage = (struct usage){.n = 0};
		return;
	}
	r->look_ret = r->cfg.look ? r->cfg.look(r->cfg.index, r->claim.pid, &r->usage)
				  : usage_find(r->cfg.index, r->claim.pid, &r->usage, NULL);
}

static bool is_stuck(const struct release *r)
{
	return release_lost(r) && waiting_requests(r->cfg.index);
}

/* The look will be repeated: `looked` is called then. */
static void pass_by(struct release *r, offload_fn *looked)
{
	r->looked = looked;
	release_enter(r, STEP_PASSING);
	loop_timer_set(r->tick, PASSING_MS);
}

/* All users that were found are udev's or another detach's, and there is time to wait for them. */
static bool only_passing(const struct release *r)
{
	return r->look_ret == 0 && r->usage.n && r->usage.passing == r->usage.n && !is_stuck(r) &&
	       loop_now() < r->patience_end;
}

void release_tick_passing(struct release *r)
{
	release_enter(r, r->claim.pid ? STEP_LOOK_AGAIN : STEP_LOOK);
	release_run(r, release_look_work, r->looked);
}

/* 0, or -EBUSY with r->err. */
static int in_use(struct release *r)
{
	if (r->look_ret < 0 || r->usage.n)
		return err_set(&r->err, ERR_BUSY, EBUSY, "%s",
			       r->look_ret < 0 ? "cannot tell whether it is in use"
					       : r->usage.sentence);
	if (r->cfg.cautious && r->usage.unsure)
		return err_set(&r->err, ERR_BUSY, EBUSY,
			       "some processes cannot be examined, so it may be in use");
	return 0;
}

static void looked_again(void *arg)
{
	struct release *r = arg;
	int ret;

	if (!release_job_done(r))
		return;
	if (only_passing(r)) {
		pass_by(r, looked_again);
		return;
	}
	ret = in_use(r);
	if (ret < 0)
		release_finish(r, ret);
	else
		release_disconnect(r);
}

/* ret: of the start of the claim's process; `fn` is called when it has reported. 0 or -errno. */
static int await_claim(struct release *r, int ret, loop_io_fn *fn)
{
	if (ret < 0)
		return ret;
	r->claim_io = loop_io_new(r->loop, claim_fd(&r->claim), EPOLLIN, fn, r);
	if (!r->claim_io)
		return err_set(&r->err, ERR_SYSTEM, ENOMEM, "out of memory");
	loop_timer_set(r->tick, RELEASE_TICK_MS);
	return 0;
}

static int claim_result(struct release *r)
{
	loop_io_free(r->claim_io);
	r->claim_io = NULL;
	return claim_finish(&r->claim, &r->err);
}

static void flushed(int fd, uint32_t events, void *arg)
{
	struct release *r = arg;
	int ret = claim_result(r);

	(void)fd;
	(void)events;
	/* Without a node nobody can open it here, and what was not written needs no flush. */
	if (ret == -ENOENT && r->cfg.clean)
		ret = 0;
	if (r->cfg.force || (ret == 0 && r->claim.alone)) {
		release_disconnect(r);
	} else if (ret == -EBUSY && ++r->claims < CLAIMS) {
		claim_release(&r->claim);
		pass_by(r, release_looked);
	} else if (ret < 0) {
		release_finish(r, ret);
	} else {
		release_enter(r, STEP_LOOK_AGAIN);
		release_run(r, release_look_work, looked_again);
	}
}

static void flush(struct release *r)
{
	int ret;

	release_enter(r, STEP_FLUSH);
	r->completed = completed_requests(r->cfg.index);
	ret = claim_start(r->cfg.index, r->cfg.read_only, !r->cfg.force, &r->claim, &r->err);
	ret = await_claim(r, ret, flushed);
	if (ret < 0 && r->cfg.force)
		release_disconnect(r);
	else if (ret < 0)
		release_finish(r, ret);
}

static void refuse_lost(struct release *r)
{
	release_finish(
	    r, err_set(&r->err, ERR_RETRY, ENOTCONN,
		       "the server of /dev/nbd%d is lost, so written data cannot be flushed, "
		       "and the device stays attached: try again when the server is back, or "
		       "use --force and lose the data that the server has not stored",
		       r->cfg.index));
}

static void settled(int fd, uint32_t events, void *arg)
{
	struct release *r = arg;
	int ret = claim_result(r);

	(void)fd;
	(void)events;
	claim_release(&r->claim);
	if (ret < 0 && ret != -ENOENT) /* without a node nobody has written here */
		release_finish(r, ret);
	else if (release_lost(r) && completed_requests(r->cfg.index) == r->completed)
		release_disconnect(r);
	else
		flush(r); /* the server has been back: what it got needs a flush */
}

void release_tick_settle(struct release *r)
{
	if (loop_now() - r->since < SETTLE_MS)
		loop_timer_set(r->tick, RELEASE_TICK_MS);
	else
		refuse_lost(r);
}

/*
 * The server may lose what it got since the last flush, and only a successful flush can rule that
 * out. If there was no write since then, there may be some that wait for a connection.
 */
static void finish_lost(struct release *r)
{
	int ret;

	if (!r->cfg.clean) {
		refuse_lost(r);
		return;
	}
	if (r->cfg.read_only) {
		release_disconnect(r);
		return;
	}
	release_enter(r, STEP_SETTLE);
	r->completed = completed_requests(r->cfg.index);
	ret = claim_settle(r->cfg.index, &r->claim, &r->err);
	ret = await_claim(r, ret, settled);
	if (ret < 0)
		release_finish(r, ret);
}

void release_look_at_prepared(struct release *r)
{
	if (!r->cfg.force && is_stuck(r))
		release_finish(
		    r, err_set(&r->err, ERR_BUSY, EBUSY,
			       "/dev/nbd%d has requests waiting for the server, so it is in "
			       "use: --force detaches it and loses them",
			       r->cfg.index));
	else
		release_disconnect(r);
}

void release_looked(void *arg)
{
	struct release *r = arg;
	int ret;

	if (!release_job_done(r))
		return;
	if (r->cfg.force) {
		/* Even then a flush is tried, as long as a connection is alive. */
		(release_lost(r) ? release_disconnect : flush)(r);
		return;
	}
	if (only_passing(r)) {
		pass_by(r, release_looked);
		return;
	}
	ret = in_use(r);
	if (ret < 0) {
		release_finish(r, ret);
	} else if (is_stuck(r)) {
		/*
		 * This also counts a process that hangs in open(2) and has no descriptor yet, if
		 * its request was sent before the loss.
		 */
		ret = err_set(&r->err, ERR_BUSY, EBUSY,
			      "/dev/nbd%d has requests waiting for the server, so it is in use: "
			      "--force detaches it and loses them",
			      r->cfg.index);
		release_finish(r, ret);
	} else if (release_lost(r)) {
		finish_lost(r);
	} else {
		flush(r);
	}
}

void release_tick_flush(struct release *r)
{
	uint64_t completed = completed_requests(r->cfg.index);

	if (completed != r->completed) {
		r->completed = completed;
		r->since = loop_now();
	}
	if (loop_now() - r->since < stall_limit(r)) {
		loop_timer_set(r->tick, RELEASE_TICK_MS);
	} else if (r->cfg.force) {
		release_disconnect(r);
	} else {
		release_finish(
		    r,
		    err_set(
			&r->err, ERR_RETRY, ETIMEDOUT,
			"the server has not confirmed the flush of /dev/nbd%d, so it stays "
			"attached: try again, or use --force and lose the data that is not flushed",
			r->cfg.index));
	}
}
