/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "verbs/abreast.h"
#include "verbs/device.h"
#include "verbs/verbs.h"
#include "kernel/sysfs.h"
#include "runtime/grace.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"
#include "supervise/attach/adopt.h"
#include "supervise/requests/control.h"
#include "supervise/handover/work.h"

#define ANSWER_LIMIT_MS 3000
#define LOCK_LOOKS	20
#define LOCK_PAUSE_MS	100
#define IDENTIFIER_MAX	4096 /* a page of sysfs */

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
 * waits for it fails when the grace has passed.
 */
static int bound_alone(int index, uint32_t grace, struct err *err)
{
	char identifier[IDENTIFIER_MAX];
	struct heal h = {.index = index, .identifier = identifier};
	_cleanup_fd_ int mark = sysfs_mark(index);
	bool fallback;
	int ret;

	if (grace == GRACE_NONE || mark < 0 ||
	    adopt_identifier(index, identifier, sizeof(identifier)) < 0)
		return 0;
	ret = kernel_new(KERNEL_BACKEND_NETLINK, &h.kernel, &fallback, err);
	if (ret < 0)
		return ret;
	h.mark = mark;
	if (is_lost(&h)) {
		log_warning("/dev/nbd%d has no supervisor and no server: its I/O fails in %u s",
			    index, grace);
		sleep(grace);
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

/* For abreast_start(): arg is the grace in seconds. */
static int bound(int index, void *arg)
{
	uint32_t grace = *(const uint32_t *)arg;
	const struct control_request request = {.verb = CONTROL_GRACE, .grace = grace};
	struct err err = {.message = ""};
	int status = 0;
	int ret = control_ask(index, &request, ANSWER_LIMIT_MS, &status, &err);

	if (ret == -ENOENT)
		ret = bound_alone(index, grace, &err);
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
