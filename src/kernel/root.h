/* SPDX-License-Identifier: MIT */
/*
 * Where sysfs is mounted, and where udev keeps its database. Each is a function in a file of its
 * own, and not a setting: only a program that is linked with others (tests/stub) sees another tree.
 */
#ifndef KERNEL_ROOT_H
#define KERNEL_ROOT_H

/* "/sys" */
const char *sysfs_root(void);

/* "/run/udev" */
const char *udev_root(void);

#endif
