/* SPDX-License-Identifier: MIT */
#include "supervise/detach/release.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/claim.h"
#include "kernel/partitions.h"
#include "kernel/sysfs.h"
#include "kernel/usage.h"
#include "runtime/marks.h"
#include "supervise/handover/work.h"

#define STALL_MS	10000 /* without a completed request, the flush has failed */
#define STALL_FORCE_MS	1000
#define TICK_MS		100
#define CUT_MS		500 /* a disconnect that takes longer is blocked by the peer: cut it */
#define CUT_FORCE_MS	200
#define KERNEL_MS	10000 /* the helper thread does not come back: the kernel holds it */
#define KERNEL_FORCE_MS 1500
#define FREE_MS		2000 /* the kernel frees a device that nobody holds within some 20 ms */
#define FREE_FORCE_MS	1000
#define FORGET_MS	2000 /* for the kernel to forget its partitions */
#define FORGET_FORCE_MS 500

enum step {
	STEP_LOOK,	 /* on the helper thread: who uses it */
	STEP_FLUSH,	 /* in the claim's process: open exclusively, fsync */
	STEP_LOOK_AGAIN, /* on the helper thread: who else uses it */
	STEP_DISCONNECT, /* on the helper thread */
	STEP_FREE,	 /* waiting until the kernel lets go of it */
	STEP_FORGET,	 /* on the helper thread: its partitions go, too */
};

/*
 * Whether the device is disconnected is decided once, by whoever comes first: the helper thread
 * when the kernel has shown that it takes commands, or the loop when it has waited long enough.
 */
enum decision {
	DECISION_OPEN,
	DECISION_DISCONNECT, /* from now on it happens, however long the kernel takes */
	DECISION_KEEP,	     /* it does not happen any more */
};

struct release {
	struct release_config cfg;
	struct loop *loop;
	release_fn *fn;
	void *arg;
	enum step step;
	struct loop_timer *tick;

	bool busy;	     /* the helper thread has a job of ours, waiting or under way */
	bool over;	     /* freed by its owner while busy: the job frees the rest */
	atomic_int decision; /* enum decision */
	bool late;	     /* the owner was told that the kernel is still at it */
	int look_ret;	     /* of the helper thread */
	struct usage usage;
	bool gone; /* of the helper thread: the attachment has ended without us */
	bool dead; /* for the helper thread: no connection is alive */
	int detach_ret;
	struct err err;
	struct err forget_err; /* of the helper thread: "" if no partition is left */

	struct claim claim;
	struct loop_io *claim_io;
	uint64_t completed; /* requests, at the last look */
	uint64_t since;	    /* when it last changed, or the step began */
};

static uint64_t completed_requests(int index)
{
	struct sysfs_progress p = {.completed = 0};

	sysfs_progress(index, &p);
	return p.completed;
}

static bool waiting_requests(int index)
{
	struct sysfs_progress p;

	/* Cannot tell is not idle. */
	return sysfs_progress(index, &p) < 0 || p.in_flight > 0;
}

static void enter(struct release *r, enum step step)
{
	r->step = step;
	r->since = loop_now();
}

static void finish(struct release *r, int ret)
{
	loop_timer_cancel(r->tick);
	loop_io_free(r->claim_io);
	r->claim_io = NULL;
	claim_release(&r->claim);
	if (ret == 0)
		r->err.kind = ERR_FAILED;
	r->fn(ret, &r->err, r->arg);
}

static void forget(struct release *r)
{
	loop_timer_free(r->tick);
	loop_io_free(r->claim_io);
	claim_release(&r->claim);
	free(r);
}

/* Gives the helper thread a job of ours. */
static void run(struct release *r, offload_fn *work, offload_fn *done)
{
	r->busy = offload_run(r->cfg.offload, work, done, r) == 0;
	loop_timer_set(r->tick, r->busy ? TICK_MS : 0);
}

/* True if that is the decision, made now or before. */
static bool decide(struct release *r, enum decision wanted)
{
	int decision = DECISION_OPEN;

	return atomic_compare_exchange_strong(&r->decision, &decision, (int)wanted) ||
	       decision == (int)wanted;
}

/* False: nobody waits for the job any more, and r is gone. */
static bool job_done(struct release *r)
{
	bool over = r->over;

	r->busy = false;
	if (over)
		forget(r);
	return !over;
}

static bool lost(const struct release *r)
{
	return r->cfg.links ? links_alive(r->cfg.links) == 0 : r->cfg.lost;
}

/*
 * Requests that wait for a connection hold DISCONNECT up, on kernels before 5.19 for as long as
 * they would wait.
 */
static void let_go(struct release *r)
{
	struct heal h = {.kernel = r->cfg.kernel,
			 .index = r->cfg.index,
			 .identifier = r->cfg.identifier,
			 .mark = r->cfg.mark};

	heal_fail_work(&h);
}

/*
 * Changes nothing, but waits for the locks that DISCONNECT would wait for: once inside that, nobody
 * can call it back.
 */
static void await_kernel(struct release *r)
{
	struct heal h = {.kernel = r->cfg.kernel,
			 .index = r->cfg.index,
			 .identifier = r->cfg.identifier,
			 .mark = r->cfg.mark};

	if (r->cfg.mark >= 0 && r->cfg.identifier)
		heal_check_work(&h);
}

static void disconnect_work(void *arg)
{
	struct release *r = arg;

	if (!r->cfg.disconnect)
		await_kernel(r);
	if (!decide(r, DECISION_DISCONNECT))
		return;
	if (r->cfg.disconnect) {
		r->detach_ret = r->cfg.disconnect(r->cfg.disconnect_arg, &r->err);
		return;
	}
	if (r->dead && r->cfg.mark >= 0)
		let_go(r);
	/* DISCONNECT asks for no identifier: what is attached by now may be somebody else's. */
	r->gone = r->cfg.mark >= 0 && !sysfs_mark_valid(r->cfg.mark);
	if (r->gone)
		return;
	/* The udev rules would take it for somebody else's detach, and attach again. */
	marks_remove(r->cfg.index);
	r->detach_ret = kernel_detach(r->cfg.kernel, r->cfg.index, &r->err);
}

static void disconnected(void *arg)
{
	struct release *r = arg;

	if (!job_done(r))
		return;
	if (r->gone) {
		err_set(&r->err, ERR_FAILED, 0, "another program had detached it");
		finish(r, 0);
		return;
	}
	if (r->detach_ret < 0) {
		finish(r, r->detach_ret);
		return;
	}
	r->err.message[0] = '\0';
	if (r->cfg.prepared) {
		finish(r, 0); /* who asks lets go of it, and waits until it is free */
		return;
	}
	/* The claim is the last opener: with it gone the kernel tears the device down. */
	claim_release(&r->claim);
	enter(r, STEP_FREE);
	loop_timer_set(r->tick, 0);
}

static void disconnect(struct release *r)
{
	loop_io_free(r->claim_io);
	r->claim_io = NULL;
	enter(r, STEP_DISCONNECT);
	r->dead = lost(r);
	run(r, disconnect_work, disconnected);
}

static void look_work(void *arg)
{
	struct release *r = arg;

	r->look_ret = usage_find(r->cfg.index, r->claim.pid, &r->usage, NULL);
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

	if (!job_done(r))
		return;
	ret = in_use(r);
	if (ret < 0)
		finish(r, ret);
	else
		disconnect(r);
}

static void flushed(int fd, uint32_t events, void *arg)
{
	struct release *r = arg;
	int ret = claim_finish(&r->claim, &r->err);

	(void)fd;
	(void)events;
	loop_io_free(r->claim_io);
	r->claim_io = NULL;
	if (r->cfg.force) {
		disconnect(r);
	} else if (ret < 0) {
		finish(r, ret);
	} else {
		enter(r, STEP_LOOK_AGAIN);
		run(r, look_work, looked_again);
	}
}

static void flush(struct release *r)
{
	int ret;

	enter(r, STEP_FLUSH);
	r->completed = completed_requests(r->cfg.index);
	ret = claim_start(r->cfg.index, r->cfg.read_only, !r->cfg.force, &r->claim, &r->err);
	if (ret == 0) {
		r->claim_io = loop_io_new(r->loop, claim_fd(&r->claim), EPOLLIN, flushed, r);
		if (!r->claim_io)
			ret = err_set(&r->err, ERR_SYSTEM, ENOMEM, "out of memory");
	}
	if (ret == 0)
		loop_timer_set(r->tick, TICK_MS);
	else if (r->cfg.force)
		disconnect(r);
	else
		finish(r, ret);
}

/*
 * The last close has written everything or failed, but what the server was given since the last
 * flush may be lost with it, and only a flush that succeeds can tell.
 */
static void finish_lost(struct release *r)
{
	if (r->cfg.clean)
		disconnect(r);
	else
		finish(
		    r,
		    err_set(&r->err, ERR_RETRY, ENOTCONN,
			    "the server of /dev/nbd%d is lost, so written data cannot be flushed, "
			    "and the device stays attached: try again when the server is back, or "
			    "use --force and lose the data that the server has not stored",
			    r->cfg.index));
}

/* Who asks has looked, and flushed it. */
static void look_at_prepared(struct release *r)
{
	if (!r->cfg.force && lost(r) && waiting_requests(r->cfg.index))
		finish(r, err_set(&r->err, ERR_BUSY, EBUSY,
				  "/dev/nbd%d has requests waiting for the server, so it is in "
				  "use: --force detaches it and loses them",
				  r->cfg.index));
	else
		disconnect(r);
}

static void looked(void *arg)
{
	struct release *r = arg;
	int ret;

	if (!job_done(r))
		return;
	if (r->cfg.force) {
		/* Even then a flush is tried, while there is somebody to take it. */
		(lost(r) ? disconnect : flush)(r);
		return;
	}
	ret = in_use(r);
	if (ret < 0) {
		finish(r, ret);
	} else if (lost(r) && waiting_requests(r->cfg.index)) {
		/* Also of a process that hangs in open(2), which has no descriptor yet. */
		ret = err_set(&r->err, ERR_BUSY, EBUSY,
			      "/dev/nbd%d has requests waiting for the server, so it is in use: "
			      "--force detaches it and loses them",
			      r->cfg.index);
		finish(r, ret);
	} else if (lost(r)) {
		finish_lost(r);
	} else {
		flush(r);
	}
}

static void tick_flush(struct release *r)
{
	uint64_t completed = completed_requests(r->cfg.index);

	if (completed != r->completed) {
		r->completed = completed;
		r->since = loop_now();
	}
	if (loop_now() - r->since < (r->cfg.force ? STALL_FORCE_MS : STALL_MS)) {
		loop_timer_set(r->tick, TICK_MS);
	} else if (r->cfg.force) {
		disconnect(r);
	} else {
		finish(
		    r,
		    err_set(
			&r->err, ERR_RETRY, ETIMEDOUT,
			"the server has not confirmed the flush of /dev/nbd%d, so it stays "
			"attached: try again, or use --force and lose the data that is not flushed",
			r->cfg.index));
	}
}

static void forget_work(void *arg)
{
	struct release *r = arg;

	if (!r->over)
		partitions_forget(r->cfg.index, r->cfg.force ? FORGET_FORCE_MS : FORGET_MS,
				  &r->forget_err);
}

static void forgotten(void *arg)
{
	struct release *r = arg;

	if (!job_done(r))
		return;
	r->err = r->forget_err;
	finish(r, 0);
}

/* The device is detached, whatever comes of this. */
static void tick_forget(struct release *r)
{
	if (r->busy && loop_now() - r->since < (r->cfg.force ? KERNEL_FORCE_MS : KERNEL_MS)) {
		loop_timer_set(r->tick, TICK_MS);
		return;
	}
	err_set(&r->err, ERR_FAILED, 0, "the kernel may still show its partitions");
	finish(r, 0);
}

static void tick_free(struct release *r)
{
	if (sysfs_device_free(r->cfg.index)) {
		enter(r, STEP_FORGET);
		run(r, forget_work, forgotten);
	} else if (loop_now() - r->since < (r->cfg.force ? FREE_FORCE_MS : FREE_MS)) {
		loop_timer_set(r->tick, TICK_MS / 10);
	} else {
		struct usage usage;
		bool known = usage_find(r->cfg.index, 0, &usage, NULL) == 0 && usage.n;

		err_set(
		    &r->err, ERR_FAILED, 0,
		    "/dev/nbd%d is disconnected, and becomes free when its last user closes it%s%s",
		    r->cfg.index, known ? ": " : "", known ? usage.sentence : "");
		finish(r, 0);
	}
}

/*
 * The thread may sit in a call that waits for the server: a change of the device's size freezes
 * its queue since 6.9, and a peer that does not read blocks the driver's goodbye. Nothing gets past
 * that, since the driver allows one command at a time. Whoever ends living connections with
 * requests under way cannot go back: another connection would carry out what the server of this one
 * may still have to do.
 */
static void cut(struct release *r)
{
	uint64_t waited = loop_now() - r->since;

	if (!r->cfg.links || links_alive(r->cfg.links) == 0)
		return;
	if (atomic_load(&r->decision) != DECISION_DISCONNECT) {
		if (!r->cfg.force || waited < CUT_MS || !decide(r, DECISION_DISCONNECT))
			return;
	}
	if (waited >= (r->cfg.force ? CUT_FORCE_MS : CUT_MS))
		links_shutdown(r->cfg.links);
}

/* The kernel is inside the disconnect, which ends when it ends. */
static void tell_late(struct release *r)
{
	struct err err;

	loop_timer_set(r->tick, TICK_MS);
	if (r->late)
		return;
	r->late = true;
	err_set(
	    &err, ERR_FAILED, EINPROGRESS,
	    "the kernel has not yet finished disconnecting /dev/nbd%d: see the kernel log; you "
	    "need not do anything else, the device is detached as soon as the kernel has finished",
	    r->cfg.index);
	r->fn(-EINPROGRESS, &err, r->arg);
}

static void tick_busy(struct release *r)
{
	uint64_t limit = r->cfg.force ? KERNEL_FORCE_MS : KERNEL_MS;

	cut(r);
	if (!r->busy)
		finish(r, err_set(&r->err, ERR_BUSY, EBUSY,
				  "the supervisor of /dev/nbd%d is too busy: try again",
				  r->cfg.index));
	else if (loop_now() - r->since < limit ||
		 (r->step == STEP_DISCONNECT && r->cfg.disconnect)) /* which has its own limit */
		loop_timer_set(r->tick, TICK_MS);
	else if (!decide(r, DECISION_KEEP))
		tell_late(r);
	else
		finish(r, err_set(&r->err, ERR_FAILED, ETIMEDOUT,
				  "the kernel has been busy with /dev/nbd%d for %llu s: it stays "
				  "attached; see the kernel's log, and try again",
				  r->cfg.index, (unsigned long long)limit / 1000));
}

static void tick(void *arg)
{
	struct release *r = arg;

	switch (r->step) {
	case STEP_LOOK:
		if (r->cfg.prepared) {
			look_at_prepared(r);
			break;
		}
		tick_busy(r);
		break;
	case STEP_LOOK_AGAIN:
	case STEP_DISCONNECT:
		tick_busy(r);
		break;
	case STEP_FLUSH:
		tick_flush(r);
		break;
	case STEP_FREE:
		tick_free(r);
		break;
	case STEP_FORGET:
		tick_forget(r);
		break;
	}
}

struct release *release_new(struct loop *loop, const struct release_config *cfg, release_fn *fn,
			    void *arg)
{
	struct release *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct release){.cfg = *cfg, .loop = loop, .fn = fn, .arg = arg};
	claim_init(&r->claim);
	r->tick = loop_timer_new(loop, tick, r);
	if (!r->tick) {
		free(TAKE_PTR(r));
		return NULL;
	}
	enter(r, STEP_LOOK);
	if (cfg->prepared)
		loop_timer_set(r->tick, 0);
	else
		run(r, look_work, looked);
	return r;
}

bool release_fails_io(const struct release *r)
{
	return r->dead && r->cfg.mark >= 0 && atomic_load(&r->decision) == DECISION_DISCONNECT;
}

void release_free(struct release *r)
{
	if (!r)
		return;
	decide(r, DECISION_KEEP);
	if (r->busy) {
		loop_timer_cancel(r->tick);
		r->over = true;
	} else {
		forget(r);
	}
}
