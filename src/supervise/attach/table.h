/* SPDX-License-Identifier: MIT */
/*
 * Lets the kernel read the partition table of a new device, so that its partitions exist when the
 * command returns: without udev no other process would open the device. A child process
 * (kernel/claim.h) reads and waits for the server. It is given up, but not killed, if the server
 * completes no request for 10 seconds, or after 30 seconds. Nothing here blocks.
 */
#ifndef SUPERVISE_ATTACH_TABLE_H
#define SUPERVISE_ATTACH_TABLE_H

#include "base/err.h"
#include "base/loop.h"

struct table;

/*
 * Called once, from the loop: 0 (read, or there is none), -ETIMEDOUT (given up), -ENOENT (there is
 * no device node, as in a service) or another -errno, with *err. The callee frees the table.
 */
typedef void table_fn(int ret, const struct err *err, void *arg);

/* NULL: out of memory. */
struct table *table_new(struct loop *loop, int index, uint32_t resent_ms, table_fn *fn, void *arg);

/* Accepts NULL. A process that still reads ends by itself. */
void table_free(struct table *t);

#endif
