/* SPDX-License-Identifier: MIT */
/*
 * Opening and flushing a device before it is disconnected, in a process of its own: both can block
 * for ever, uninterruptibly, when the server does not answer, and no process that has more to do
 * may risk that. Nothing here blocks.
 *
 * The claim is exclusive (O_EXCL), so that no mount, swapon or device mapper can come in between;
 * it is held until claim_release(), also through the disconnect. It also holds udev off
 * (flock(2), systemd.io/BLOCK_DEVICE_LOCKING).
 */
#ifndef KERNEL_CLAIM_H
#define KERNEL_CLAIM_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct claim {
	int index;
	pid_t pid; /* for usage_find() to pass over; 0: none */
	int fd;	   /* the process speaks here, and lets go when it closes; -1: none */
	int pidfd; /* the process, which is nobody's child; -1: none */
};

void claim_init(struct claim *c);

/*
 * Starts the process: it opens /dev/nbdN (for writing unless read_only; O_EXCL if exclusive), calls
 * fsync(2) unless read_only, which reaches the server as NBD_CMD_FLUSH, and reports. 0, or -errno:
 * ERR_FAILED. Forks: not under memory pressure. c must be initialised or released.
 */
int claim_start(int index, bool read_only, bool exclusive, struct claim *c, struct err *err);

/* Becomes readable when claim_finish() has a result. Owned by c. */
static inline int claim_fd(const struct claim *c)
{
	return c->fd;
}

/*
 * The result: 0 (claimed and flushed), -EAGAIN (not yet; err untouched), -EBUSY with ERR_BUSY
 * (somebody else holds it exclusively), or ERR_FAILED (it could not be opened or flushed).
 */
int claim_finish(struct claim *c, struct err *err);

/*
 * Lets go, at once or, if the process is blocked in the kernel, as soon as it comes out. It needs
 * no reaping. Does nothing for a claim that was not started.
 */
void claim_release(struct claim *c);

#endif
