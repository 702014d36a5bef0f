/* SPDX-License-Identifier: MIT */
#include "verbs/ask.h"

#include <errno.h>

#include "base/log.h"
#include "base/progress.h"
#include "verbs/device.h"
#include "kernel/sysfs.h"

struct question {
	const struct control_request *request;
	unsigned limit_ms;
};

static int ask(const struct options *o, void *arg)
{
	const struct question *q = arg;
	struct err err = {.message = ""};
	int index, status = 1;
	int ret = cmd_device(o, &index, &err);

	if (ret == 0) {
		ret = control_ask(index, q->request, q->limit_ms, &status, &err);
		if (ret == -ENOENT && sysfs_check(&err) < 0)
			ret = -ENODEV;
		else if (ret == -ENOENT && !sysfs_attached(index))
			err_set(&err, ERR_FAILED, ENODEV, "/dev/nbd%d is not attached", index);
		else if (ret == -ENOENT)
			err_set(&err, ERR_FAILED, ENOENT,
				"/dev/nbd%d has no supervisor: attach it again with the same "
				"arguments, and nbd-attach takes it over",
				index);
	}
	if (ret < 0)
		status = err_exit_status(err.kind);
	log_line(status ? LOG_ERR : LOG_NOTICE, "%s", err.message);
	return status;
}

int cmd_ask(const struct options *o, const struct control_request *request, unsigned limit_ms)
{
	struct question q = {request, limit_ms};
	int status;

	progress_begin("waiting for the supervisor");
	status = options_each_device(o, ask, &q);
	progress_end();
	return status;
}
