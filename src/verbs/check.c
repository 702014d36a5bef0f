/* SPDX-License-Identifier: MIT */
#include "verbs/device.h"
#include "verbs/verbs.h"
#include "kernel/sysfs.h"

int cmd_check(const struct options *o)
{
	struct err err;
	int index;

	return cmd_device(o, &index, &err) == 0 && sysfs_attached(index) ? 0 : 1;
}
