/* SPDX-License-Identifier: MIT */
/*
 * nbd.ko through its ioctls, for kernels and namespaces without the netlink family. A degraded
 * fallback: a thread of this process stays in NBD_DO_IT, so the device lives no longer than the
 * process, a dead connection ends it, and there is no dead timeout and no `backend`. One device
 * for each struct kernel.
 */
#ifndef KERNEL_IOCTL_H
#define KERNEL_IOCTL_H

#include "kernel/kernel.h"

/*
 * Does not block. Its attach opens the device node, and keeps it open as long as the device is
 * attached: kernel/usage.h finds this process among the users. sysfs `pid` is the thread's. A
 * child forked meanwhile must exec or close the descriptor.
 */
int ioctl_new(struct kernel **ret_kernel, struct err *err);

#endif
