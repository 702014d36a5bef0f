/* SPDX-License-Identifier: MIT */
/* The partitions that the kernel shows for a device, from sysfs. */
#ifndef KERNEL_PARTITION_LIST_H
#define KERNEL_PARTITION_LIST_H

#include <stddef.h>

/* The number of the partition of device `index` that has this name, "nbd0p3"; 0: none has. */
int partition_number(int index, const char *name);

/*
 * The number of partitions shown for device `index`; their names, "nbd0p1, nbd0p2", into buf,
 * unless that is NULL. Never blocks.
 */
unsigned partitions_shown(int index, char *buf, size_t size);

#endif
