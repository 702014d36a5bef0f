/* SPDX-License-Identifier: MIT */
/* Disconnects the device, waits until it is free, and makes the kernel forget its partitions. */
#include "supervise/detach/release-private.h"

#include <errno.h>

#include "kernel/partitions.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"
#include "runtime/marks.h"
#include "supervise/handover/work.h"

/* ms: a disconnect that takes longer is blocked by the peer, and the connection is cut. */
#define CUT_MS		500
#define CUT_FORCE_MS	200
#define KERNEL_MS	10000 /* after this time, the kernel blocks the helper thread */
#define KERNEL_FORCE_MS 1500
#define FREE_MS		2000 /* the kernel frees a device that nobody holds within some 20 ms */
#define FREE_FORCE_MS	1000
#define FREE_SOON_MS	20
#define FREE_TICK_MS	10
#define NAME_MS		1000 /* the look for the last user, which a process may block */
#define NAME_FORCE_MS	500
#define FORGET_MS	2000 /* for the kernel to forget its partitions */
#define FORGET_FORCE_MS 500

/* A job of work.h for this device, without sockets and timeouts. */
static struct heal heal_of(const struct release *r)
{
	return (struct heal){.kernel = r->cfg.kernel,
			     .index = r->cfg.index,
			     .identifier = r->cfg.identifier,
			     .mark = r->cfg.mark};
}

/*
 * Requests that wait for a connection delay DISCONNECT, on kernels before 5.19 until their wait
 * ends.
 */
static void let_go(struct release *r)
{
	struct heal h = heal_of(r);

	heal_fail_work(&h);
}

/* The server is lost, but the device stays: what comes from now on waits for it. */
static void hold_on(struct release *r)
{
	struct heal h = heal_of(r);

	h.timeout = r->cfg.timeout;
	h.dead_timeout = r->cfg.dead_timeout;
	heal_wait_work(&h);
}

/*
 * Changes nothing, but waits for the same locks as DISCONNECT, which cannot be cancelled once it
 * has begun.
 */
static void await_kernel(struct release *r)
{
	struct heal h = heal_of(r);

	if (r->cfg.mark >= 0 && r->cfg.identifier)
		heal_check_work(&h);
}

/* As long as the claim has the device open, no other program can attach it. */
static void undo_tuning(struct release *r)
{
	if (r->detach_ret < 0 || !r->claim.pid)
		return;
	tune_undo(r->cfg.index);
	tune_forget_io_timeout(r->cfg.index);
}

static void disconnect_work(void *arg)
{
	struct release *r = arg;

	if (!r->cfg.disconnect)
		await_kernel(r);
	r->detach_ret = r->cfg.lock ? r->cfg.lock(r->cfg.arg, &r->err) : 0;
	if (r->detach_ret < 0)
		return;
	if (!release_decide(r, DECISION_DISCONNECT))
		return;
	if (r->cfg.disconnect) {
		r->detach_ret = r->cfg.disconnect(r->cfg.arg, &r->err);
		undo_tuning(r);
		return;
	}
	if (r->dead && r->cfg.mark >= 0)
		let_go(r);
	/*
	 * DISCONNECT does not check the identifier: by now the device may belong to another
	 * program.
	 */
	r->gone = r->cfg.mark >= 0 && !sysfs_mark_valid(r->cfg.mark);
	if (r->gone)
		return;
	/*
	 * Otherwise the udev rules would take it for a detach by another program, and attach again.
	 */
	marks_remove(r->cfg.index);
	r->detach_ret = kernel_detach(r->cfg.kernel, r->cfg.index, &r->err);
	if (r->detach_ret < 0 && r->dead && r->cfg.mark >= 0 && r->cfg.waits)
		hold_on(r);
	undo_tuning(r);
}

static void disconnected(void *arg)
{
	struct release *r = arg;

	if (!release_job_done(r))
		return;
	if (r->gone) {
		err_set(&r->err, ERR_FAILED, 0, "another program had detached it");
		release_finish(r, 0);
		return;
	}
	if (r->detach_ret < 0) {
		release_finish(r, r->detach_ret);
		return;
	}
	r->err.message[0] = '\0';
	if (r->cfg.prepared) {
		release_finish(r, 0); /* the caller closes the device, and waits until it is free */
		return;
	}
	/* The claim is the last opener: when it is closed, the kernel frees the device. */
	claim_release(&r->claim);
	release_enter(r, STEP_FREE);
	loop_timer_set(r->tick, 0);
}

void release_disconnect(struct release *r)
{
	loop_io_free(r->claim_io);
	r->claim_io = NULL;
	release_enter(r, STEP_DISCONNECT);
	r->dead = release_lost(r);
	release_run(r, disconnect_work, disconnected);
}

/*
 * The thread may sit in a call that waits for the server: since 6.9 a change of the device's size
 * freezes its queue, and a peer that does not read blocks the driver's disconnect request. No other
 * command can run, since the driver allows one at a time. After live connections with requests
 * under way have been ended, the detach cannot be undone: a new connection would send requests
 * again that the server of the old one may still carry out.
 */
static void cut(struct release *r)
{
	uint64_t waited = loop_now() - r->since;

	if (!r->cfg.links || links_alive(r->cfg.links) == 0)
		return;
	if (atomic_load(&r->decision) != DECISION_DISCONNECT) {
		if (!r->cfg.force || waited < CUT_MS || !release_decide(r, DECISION_DISCONNECT))
			return;
	}
	if (waited >= (r->cfg.force ? CUT_FORCE_MS : CUT_MS))
		links_shutdown(r->cfg.links);
}

/* The kernel executes the disconnect, which cannot be cancelled. */
static void tell_late(struct release *r)
{
	struct err err;

	loop_timer_set(r->tick, RELEASE_TICK_MS);
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

/* A look for users waits for no lock of the driver's, but it looks at every process. */
static int too_long(struct release *r, uint64_t limit)
{
	unsigned long long s = limit / 1000;

	if (r->step != STEP_DISCONNECT && !r->cfg.force)
		return err_set(&r->err, ERR_FAILED, ETIMEDOUT,
			       "cannot find out within %llu s who uses /dev/nbd%d, so it stays "
			       "attached: the machine or the kernel is very busy (see the kernel's "
			       "log); try again",
			       s, r->cfg.index);
	return err_set(
	    &r->err, ERR_FAILED, ETIMEDOUT,
	    "the kernel has been busy with /dev/nbd%d for %llu s: it stays attached; see "
	    "the kernel's log, and try again",
	    r->cfg.index, s);
}

void release_tick_busy(struct release *r)
{
	uint64_t limit = r->cfg.force ? KERNEL_FORCE_MS : KERNEL_MS;

	cut(r);
	if (!r->busy)
		release_finish(r, err_set(&r->err, ERR_BUSY, EBUSY,
					  "the supervisor of /dev/nbd%d is too busy: try again",
					  r->cfg.index));
	else if (loop_now() - r->since < limit ||
		 (r->step == STEP_DISCONNECT &&
		  r->cfg.disconnect)) /* that function has its own limit */
		loop_timer_set(r->tick, RELEASE_TICK_MS);
	else if (!release_decide(r, DECISION_KEEP))
		tell_late(r);
	else
		release_finish(r, too_long(r, limit));
}

static void forget_work(void *arg)
{
	struct release *r = arg;

	if (r->over)
		return;
	partitions_forget(r->cfg.index, r->cfg.force ? FORGET_FORCE_MS : FORGET_MS, &r->forget_err);
}

static void forgotten(void *arg)
{
	struct release *r = arg;

	if (!release_job_done(r))
		return;
	r->err = r->forget_err;
	release_finish(r, 0);
}

/* The device is detached, whatever the result is. */
void release_tick_forget(struct release *r)
{
	if (r->busy && loop_now() - r->since < (r->cfg.force ? KERNEL_FORCE_MS : KERNEL_MS)) {
		loop_timer_set(r->tick, RELEASE_TICK_MS);
		return;
	}
	err_set(&r->err, ERR_FAILED, 0, "the kernel may still show its partitions");
	release_finish(r, 0);
}

/* The device is detached, but not free yet. */
static void finish_open(struct release *r, const char *user)
{
	err_set(&r->err, ERR_FAILED, 0,
		"/dev/nbd%d is disconnected, and becomes free when its last user closes it%s%s",
		r->cfg.index, user[0] ? ": " : "", user);
	release_finish(r, 0);
}

/* Not release_look_work(): with --force that looks at nothing. */
static void name_work(void *arg)
{
	struct release *r = arg;

	if (!r->over)
		r->look_ret = usage_find(r->cfg.index, 0, &r->usage, NULL);
}

static void named(void *arg)
{
	struct release *r = arg;

	if (release_job_done(r))
		finish_open(r, r->look_ret == 0 && r->usage.n ? r->usage.sentence : "");
}

/* r->usage belongs to the job while that is under way. */
void release_tick_name(struct release *r)
{
	if (r->busy && loop_now() - r->since < (r->cfg.force ? NAME_FORCE_MS : NAME_MS))
		loop_timer_set(r->tick, RELEASE_TICK_MS);
	else
		finish_open(r, "");
}

void release_tick_free(struct release *r)
{
	if (sysfs_device_free(r->cfg.index)) {
		release_enter(r, STEP_FORGET);
		release_run(r, forget_work, forgotten);
	} else if (loop_now() - r->since < (r->cfg.force ? FREE_FORCE_MS : FREE_MS)) {
		/* Mostly it takes a few ms, but a user may need longer to close it. */
		loop_timer_set(r->tick, loop_now() - r->since < FREE_SOON_MS ? 1 : FREE_TICK_MS);
	} else {
		release_enter(r, STEP_NAME);
		release_run(r, name_work, named);
	}
}
