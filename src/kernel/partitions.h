/* SPDX-License-Identifier: MIT */
/*
 * The partitions that the kernel shows for a device. The kernel keeps them when the device is
 * disconnected, and drops them only when the device is opened the next time. A process that opens
 * such a partition first, on the next disk, still reads and writes at the position it had on the
 * previous disk (seen on 6.1 and 6.12). Only sysfs is read here; the device is opened by a process
 * of its own (claim_look() in kernel/claim.h).
 */
#ifndef KERNEL_PARTITIONS_H
#define KERNEL_PARTITIONS_H

#include "base/err.h"

/*
 * Makes the kernel forget the partitions of a device that is not attached, if it shows any. Waits
 * for at most limit_ms, so it is for the helper thread. 0: none are left. ERR_FAILED with -EBUSY: a
 * sentence that names those that are left, and why.
 */
int partitions_forget(int index, unsigned limit_ms, struct err *err);

#endif
