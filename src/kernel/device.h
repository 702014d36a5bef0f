/* SPDX-License-Identifier: MIT */
/*
 * Names of NBD devices, in the forms that people and the system use, and their nodes. Nothing here
 * blocks or opens a device.
 */
#ifndef KERNEL_DEVICE_H
#define KERNEL_DEVICE_H

#include "base/err.h"
#include "kernel/kernel.h"

/* Minor numbers have 20 bits: include/linux/kdev_t.h. */
#define DEVICE_INDEX_MAX ((1 << 20) - 1)

struct device_name {
	char text[24];
};

/* "/dev/nbd7" */
struct device_name device_node(int index);

/*
 * Makes the node of an existing device if it has none, for root alone: in a container neither
 * devtmpfs nor udev may do it. Best effort: a service sees no nodes, and may not make them.
 */
void device_make_node(int index);
/* The same with other directories than "/dev" and "/sys", for tests. */
void device_make_node_at(const char *dev, const char *sys, int index);

/*
 * Reads "/dev/nbd7" or "nbd7". Errors: ERR_USAGE, with -EINVAL, for partitions, other devices and
 * numbers no kernel can have. `otherwise` is appended to the advice to write /dev/nbd0 or nbd0: it
 * names what else the caller accepts.
 */
int device_parse(const char *word, const char *otherwise, int *ret_index, struct err *err);

/*
 * The largest index the loaded module can have: its max_part takes minor numbers away. Reads
 * sysfs.
 */
int device_index_limit(void);

#endif
