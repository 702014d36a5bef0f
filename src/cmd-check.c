/* SPDX-License-Identifier: MIT */
#include "cmd.h"
#include "kernel/sysfs.h"

int cmd_check(const struct options *o)
{
	return sysfs_attached(o->index) ? 0 : 1;
}
