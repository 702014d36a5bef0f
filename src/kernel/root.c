/* SPDX-License-Identifier: MIT */
#include "kernel/root.h"

const char *sysfs_root(void)
{
	return "/sys";
}
