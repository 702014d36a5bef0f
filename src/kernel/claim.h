/* SPDX-License-Identifier: MIT */
/*
 * Opening a device, and flushing it before it is disconnected, in a process of its own: both can
 * block for ever, uninterruptibly, when the server does not answer, and no process that has more to
 * do may risk that. Nothing here blocks.
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

/* What a process that only looks calls itself; kernel/usage.h passes over it. */
#define CLAIM_LOOKS "nbd-look"

struct claim {
	int index;
	pid_t pid; /* for usage_find() to pass over; 0: none */
	int fd;	   /* the process speaks here, and lets go when it closes; -1: none */
	int pidfd; /* the process, which is nobody's child; -1: none */
	bool look; /* it only looks: claim_look() */
};

void claim_init(struct claim *c);

/*
 * Starts the process: it opens /dev/nbdN (for writing unless read_only; O_EXCL if exclusive), calls
 * fsync(2) unless read_only, which reaches the server as NBD_CMD_FLUSH, and reports. 0, or -errno:
 * ERR_FAILED. Forks: not under memory pressure. c must be initialised or released.
 */
int claim_start(int index, bool read_only, bool exclusive, struct claim *c, struct err *err);

/*
 * Starts a process that opens /dev/nbdN for reading and ends at once. The kernel then forgets the
 * partitions of a disk that is gone, or reads the table of the one that is there, which waits for
 * the server. The rest is as for claim_start(); claim_ended_fd() tells when the device is closed
 * again.
 */
int claim_look(int index, struct claim *c, struct err *err);

/* Becomes readable when the process has ended, and has closed the device. Owned by c. */
static inline int claim_ended_fd(const struct claim *c)
{
	return c->pidfd;
}

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
