/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/log.h"
#include "verbs/device.h"
#include "verbs/verbs.h"
#include "kernel/sysfs.h"

static int check(const struct options *o, void *arg)
{
	struct err err;
	int index, ret;

	(void)arg;
	ret = cmd_device(o, &index, &err);
	if (ret == -ENOENT)
		return err_exit_status(ERR_FAILED);
	if (ret < 0) {
		log_error("%s", err.message);
		return err_exit_status(err.kind);
	}
	if (cmd_device_missing(index, &err)) {
		log_error("%s", err.message);
		return err_exit_status(err.kind);
	}
	return sysfs_attached(index) ? 0 : err_exit_status(ERR_FAILED);
}

int cmd_check(const struct options *o)
{
	return options_each_device(o, check, NULL);
}
