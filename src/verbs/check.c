/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "verbs/device.h"
#include "verbs/verbs.h"
#include "kernel/sysfs.h"

static int check(const struct options *o, void *arg)
{
	struct err err;
	int index;

	(void)arg;
	if (cmd_device(o, &index, &err) < 0)
		return err_exit_status(ERR_FAILED);
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
