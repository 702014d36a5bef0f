/* SPDX-License-Identifier: MIT */
/*
 * Where sysfs is mounted. A function in a file of its own, and not a setting: only a program that
 * is linked with another one (tests/stub) sees another tree.
 */
#ifndef KERNEL_ROOT_H
#define KERNEL_ROOT_H

/* "/sys" */
const char *sysfs_root(void);

#endif
