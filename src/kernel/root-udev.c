/* SPDX-License-Identifier: MIT */
#include "kernel/root.h"

const char *udev_root(void)
{
	return "/run/udev";
}
