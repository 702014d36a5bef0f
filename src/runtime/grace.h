/* SPDX-License-Identifier: MIT */
/*
 * The time that I/O may wait for a lost server during shutdown, in the file
 * /run/nbd-attach/shutdown: written by --shutdown before anything is unmounted, and read by
 * supervisors that start later, by others when an outage begins, and by --detach. The file is in
 * memory (tmpfs): no function here waits for a disk.
 */
#ifndef RUNTIME_GRACE_H
#define RUNTIME_GRACE_H

#include <stdint.h>

#include "base/err.h"

#define GRACE_NONE UINT32_MAX /* no shutdown is under way */

/* Seconds, or GRACE_NONE, which removes the file. SYSTEM error. */
int grace_write(uint32_t seconds, struct err *err);
uint32_t grace_read(void);

#endif
