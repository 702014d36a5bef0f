/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/progress.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"
#include "verbs/ask.h"
#include "verbs/verbs.h"

#define ANSWER_LIMIT_MS 10000
/* The new supervisor asks again while the one in charge is busy. */
#define SUCCESSION_LIMIT_MS 30000
#define LOOK_MS		    50

/* Waits until the process is in charge of the device. */
static int await(int index, int heir, struct err *err)
{
	struct rundir_path lock = rundir_device(index, "lock");
	_cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, heir, 0);
	uint64_t end = loop_now() + SUCCESSION_LIMIT_MS;
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	bool ended;

	do {
		ended = pidfd < 0 || poll(&p, 1, LOOK_MS) > 0;
		if (lock_holder(lock.text) == heir)
			return 0;
		if (ended)
			return err_set(err, ERR_FAILED, ECHILD,
				       "/dev/nbd%d: not reloaded: the earlier configuration stays "
				       "in use, and I/O goes on; process %d, which should have "
				       "taken over, has logged why it did not",
				       index, heir);
	} while (loop_now() < end);
	return err_set(err, ERR_FAILED, ETIMEDOUT,
		       "/dev/nbd%d: not reloaded: process %d has not taken over within %d s", index,
		       heir, SUCCESSION_LIMIT_MS / 1000);
}

static int reload(const struct options *o, void *arg)
{
	const struct control_request request = {.verb = CONTROL_RELOAD};
	struct err err = {.message = ""};
	int index, status = cmd_ask_one(o, &request, ANSWER_LIMIT_MS, &index, &err), heir;

	(void)arg;
	if (status) {
		log_error("%s", err.message);
		return status;
	}
	heir = atoi(err.message);
	if (await(index, heir, &err) < 0) {
		log_error("%s", err.message);
		return err_exit_status(err.kind);
	}
	log_notice("/dev/nbd%d: reloaded: process %d is its supervisor now", index, heir);
	return 0;
}

int cmd_reload(const struct options *o)
{
	int status;

	progress_begin("waiting for the supervisor");
	status = options_each_device(o, reload, NULL);
	progress_end();
	return status;
}
