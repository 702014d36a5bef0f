/* SPDX-License-Identifier: MIT */
/*
 * Proves that nobody has a device open, without a look at any process: by the number of references
 * to the driver's module. The driver takes one for each attachment (nbd_alloc_config() of
 * drivers/block/nbd.c), and the kernel takes one for each open of a device or of a partition, by
 * whomever: a process of any namespace, a mount, swap, io_uring, another driver.
 *
 * Since Linux 6.1, at the latest, each open has a reference of its own. Linux 5.10 has one for all
 * opens of the device and one for all opens of each partition, so there the number proves something
 * only to a caller that has not opened the device itself (`own` is 0).
 *
 * If another NBD device is attached or open, there are more references. Then this proves nothing,
 * and kernel/usage.h has to look for users. These functions neither block nor allocate memory.
 */
#ifndef KERNEL_OPENERS_H
#define KERNEL_OPENERS_H

#include <stdbool.h>

#define OPENERS_PATH_MAX 160

struct openers {
	char references[OPENERS_PATH_MAX]; /* the file with the number; "": none */
	char attached[OPENERS_PATH_MAX];   /* a file that is there as long as the attachment is */
};

void openers_init(struct openers *o, int index);
/* The same with another directory than "/sys", for tests. */
void openers_init_at(struct openers *o, const char *sys, int index);

/*
 * True: the device is attached, and has been opened `own` times (by the caller) and by nobody else.
 * False: that is not proved. Only async-signal-safe calls.
 */
bool openers_none(const struct openers *o, unsigned own);

#endif
