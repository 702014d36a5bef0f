/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "verbs/abreast.h"
#include "verbs/device.h"
#include "verbs/verbs.h"
#include "kernel/sysfs.h"
#include "runtime/grace.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"
#include "runtime/state.h"
#include "supervise/attach/adopt.h"
#include "supervise/fsm.h"
#include "supervise/requests/control.h"
#include "supervise/handover/work.h"

#define ANSWER_LIMIT_MS 3000
#define OCCUPIED_MS	20000 /* a detach may occupy the supervisor for 15 s */
#define PAUSE_MS	100
#define EXPIRY_MS	2000  /* ms after the grace: the supervisor says by then that I/O fails */
#define LEAVING_MS	15000 /* the same for one that looks for users, to end */
#define LOCK_LOOKS	20
#define LOCK_PAUSE_MS	100
#define IDENTIFIER_MAX	4096 /* a page of sysfs */

static void pause_ms(uint64_t ms)
{
	struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static bool is_lost(struct heal *h)
{
	struct kmsg *log = kmsg_new(kmsg_open(), h->index);
	bool lost = sysfs_mark_valid(h->mark) &&
		    adopt_probe(h->kernel, log, h->index, h->identifier) == ADOPT_DEAD;

	kmsg_free(log);
	return lost;
}

/*
 * A supervisor that takes the device over reads the grace itself. The lock of one that was killed
 * remains for a moment.
 */
static bool is_supervised(int index)
{
	bool held = true;

	for (int i = 0; held && i < LOCK_LOOKS; i++) {
		held = lock_holder(rundir_device(index, "lock").text) != 0;
		if (held)
			usleep(LOCK_PAUSE_MS * 1000);
	}
	return held;
}

/*
 * The device has no supervisor, so it will not be reconnected: if its server is lost, the I/O that
 * waits for it fails when that time has passed.
 */
static int bound_alone(int index, uint64_t left_ms, struct err *err)
{
	char identifier[IDENTIFIER_MAX];
	struct heal h = {.index = index, .identifier = identifier};
	_cleanup_fd_ int mark = sysfs_mark(index);
	bool fallback;
	int ret;

	if (mark < 0 || adopt_identifier(index, identifier, sizeof(identifier)) < 0)
		return 0;
	ret = kernel_new(KERNEL_BACKEND_NETLINK, &h.kernel, &fallback, err);
	if (ret < 0)
		return ret;
	h.mark = mark;
	if (is_lost(&h)) {
		log_warning("/dev/nbd%d has no supervisor and no server: its I/O fails in %llu s",
			    index, (unsigned long long)(left_ms + 999) / 1000);
		pause_ms(left_ms);
		if (grace_read() != GRACE_NONE && !is_supervised(index) && is_lost(&h))
			heal_fail_work(&h);
		else
			log_notice("/dev/nbd%d is supervised or connected again, or was detached: "
				   "its I/O will not fail",
				   index);
	}
	kernel_free(h.kernel);
	return 0;
}

/*
 * According to the supervisor, I/O waits for a lost server, `after` ms after the grace. With --swap
 * the name may be that of a time before the outage.
 */
static bool is_waiting(int index, uint64_t after, struct state *room)
{
	uint64_t limit;

	if (!sysfs_attached(index) || grace_read() == GRACE_NONE ||
	    state_read(index, room, NULL) < 0 || room->alive > 0)
		return false;
	limit = strcmp(room->name, fsm_state_name(FSM_LEAVING)) == 0 ? LEAVING_MS : EXPIRY_MS;
	return strcmp(room->name, fsm_state_name(FSM_EXPIRED)) != 0 && after < limit;
}

static uint64_t past(uint64_t time)
{
	uint64_t now = loop_now();

	return now > time ? now - time : 0;
}

/*
 * The supervisor fails the I/O itself when the grace has ended, unless it ends before, as with its
 * login session. True: it has ended.
 */
static bool leaves_before(int index, uint64_t end)
{
	struct state *room = calloc(1, sizeof(*room));
	struct rundir_path lock = rundir_device(index, "lock");
	bool held = true;

	while (held && room && is_waiting(index, past(end), room)) {
		usleep(PAUSE_MS * 1000);
		held = lock_holder(lock.text) != 0;
	}
	free(room);
	return !held;
}

/*
 * While the supervisor is talking to another command, it is asked again for a while. As
 * control_ask().
 */
static int tell(int index, uint32_t grace, int *ret_status, struct err *err)
{
	const struct control_request request = {.verb = CONTROL_GRACE, .grace = grace};
	uint64_t end = loop_now() + OCCUPIED_MS;
	int ret = control_ask(index, &request, ANSWER_LIMIT_MS, ret_status, err);

	while (ret == 0 && *ret_status == err_exit_status(ERR_BUSY) && loop_now() < end) {
		usleep(PAUSE_MS * 1000);
		ret = control_ask(index, &request, ANSWER_LIMIT_MS, ret_status, err);
	}
	return ret;
}

/* It has ended, perhaps before it answered. */
static bool has_ended(int ret)
{
	return ret == -ENOENT || ret == -EPIPE || ret == -ECONNRESET;
}

/* For abreast_start(): arg is the grace in seconds. */
static int bound(int index, void *arg)
{
	uint32_t grace = *(const uint32_t *)arg;
	uint64_t grace_ms = grace * UINT64_C(1000), end, now;
	struct err err = {.message = ""};
	int status = 0;
	int ret = tell(index, grace, &status, &err);

	end = loop_now() + grace_ms;
	if (has_ended(ret))
		ret = grace == GRACE_NONE ? 0 : bound_alone(index, grace_ms, &err);
	else if (ret == 0 && status == 0 && grace != GRACE_NONE &&
		 strcmp(err.message, CONTROL_MAY_LEAVE) == 0 && leaves_before(index, end)) {
		now = loop_now();
		ret = bound_alone(index, now < end ? end - now : 0, &err);
	}
	if (ret < 0)
		status = err_exit_status(err.kind);
	if (status)
		cmd_complain(index, err.message);
	return status;
}

int cmd_shutdown(const struct options *o)
{
	_cleanup_dir_ DIR *d = opendir(rundir());
	struct err err = {.message = ""};
	uint32_t grace = o->grace;
	int worst = 0, others, index;
	struct dirent *e;

	if (!d)
		return 0; /* nothing was ever attached */
	if (grace_write(o->grace, &err) < 0) {
		log_error("%s", err.message);
		worst = err_exit_status(err.kind);
	}
	while ((e = readdir(d))) {
		index = state_file_index(e->d_name);
		if (index >= 0 && sysfs_attached(index))
			abreast_start(bound, index, &grace);
	}
	others = abreast_wait();
	return others > worst ? others : worst;
}
