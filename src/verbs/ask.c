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

int cmd_ask_one(const struct options *o, const struct control_request *request, unsigned limit_ms,
		int *ret_index, struct err *err)
{
	int status = 1;
	int ret = cmd_device(o, ret_index, err);

	if (ret == 0) {
		ret = control_ask(*ret_index, request, limit_ms, &status, err);
		if (ret == -ENOENT && sysfs_check(err) < 0)
			ret = -ENODEV;
		else if (ret == -ENOENT && !sysfs_attached(*ret_index))
			err_set(err, ERR_FAILED, ENODEV, "/dev/nbd%d is not attached", *ret_index);
		else if (ret == -ENOENT)
			err_set(err, ERR_FAILED, ENOENT,
				"/dev/nbd%d has no supervisor: attach it again with the same "
				"arguments, and nbd-attach takes it over",
				*ret_index);
	}
	return ret < 0 ? err_exit_status(err->kind) : status;
}

static int ask(const struct options *o, void *arg)
{
	const struct question *q = arg;
	struct err err = {.message = ""};
	int index, status = cmd_ask_one(o, q->request, q->limit_ms, &index, &err);

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
