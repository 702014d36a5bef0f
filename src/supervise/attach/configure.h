/* SPDX-License-Identifier: MIT */
/*
 * Configures the device: locks, the kernel's device, its queue. One blocking function, a job for
 * base/offload.h; no other code uses the struct meanwhile.
 */
#ifndef SUPERVISE_ATTACH_CONFIGURE_H
#define SUPERVISE_ATTACH_CONFIGURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/kernel.h"

struct configure {
	struct kernel *kernel;	     /* borrowed */
	struct kernel_attach attach; /* attach.index negative: any free device */
	uint32_t max_payload;	     /* the server's, in bytes; 0: undeclared */
	uint32_t io_timeout;	     /* ms */
	bool no_scan;		     /* udev must not read the device */
	int lock_fd;		     /* the device's lock, if held already; else -1 */

	int ret;	   /* out: 0 or -errno with err */
	struct err err;	   /* out */
	int index;	   /* out: the device */
	struct err remark; /* out: a warning for the user after a success; "": none */
};

/*
 * Attaches. EBUSY, which a passing udev probe causes (KERNEL.md:
 * anybody who has the node open), is tried again for some seconds; with AUTO the next device is
 * tried instead. An export that another device is attached to for writing is not attached a second
 * time for that: BUSY (see rival.h). lock_fd is filled for the chosen device and stays the caller's
 * to close. After a failure the sockets may be shut down.
 */
void configure_work(struct configure *c);

/* The BUSY error for a device that is attached; returns -EBUSY. Reads sysfs. */
int configure_attached_already(int index, struct err *err);

#endif
