/* SPDX-License-Identifier: MIT */
#include "cmd-device.h"
#include "cmd.h"
#include "kernel/sysfs.h"

int cmd_check(const struct options *o)
{
	struct err err;
	int index;

	return cmd_device(o, &index, &err) == 0 && sysfs_attached(index) ? 0 : 1;
}
