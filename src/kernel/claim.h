/* SPDX-License-Identifier: MIT */
/*
 * Opens a device, and flushes it before it is disconnected, in a separate process: if the server
 * does not answer, both can block forever and uninterruptibly, which no process with other work may
 * risk. Nothing here blocks.
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

/* The name of a process that only opens the device for reading; kernel/usage.h ignores it. */
#define CLAIM_LOOKS "nbd-look"
/* The name of one that has it for itself, for a detach. */
#define CLAIM_HOLDS "nbd-claim"

struct claim {
	int index;
	pid_t pid;  /* the process that usage_find() ignores; 0: none */
	int fd;	    /* the socket to the process; closing it closes the device; -1: none */
	int pidfd;  /* the process, which is not a child of ours; -1: none */
	bool look;  /* it only looks: claim_look() */
	bool wait;  /* and waits: claim_settle() */
	bool alone; /* after claim_finish(): nobody else had it open (kernel/openers.h) */
};

void claim_init(struct claim *c);

/*
 * Starts the process: it opens /dev/nbdN (for writing unless read_only; O_EXCL if exclusive), waits
 * for what was written to its partitions, calls fsync(2) unless read_only, which reaches the server
 * as NBD_CMD_FLUSH, and reports. 0, or -errno: ERR_FAILED. Forks: not under memory pressure. c must
 * be initialised or released.
 */
int claim_start(int index, bool read_only, bool exclusive, struct claim *c, struct err *err);

/*
 * Starts a process that opens /dev/nbdN for reading and ends at once. The kernel then forgets the
 * partitions of a disk that was detached, or reads the partition table of the present one, which
 * waits for the server. The rest is as for claim_start(); claim_ended_fd() tells when the device is
 * closed again.
 */
int claim_look(int index, struct claim *c, struct err *err);

/*
 * As claim_look(), and before the report the process waits until the kernel holds nothing that was
 * written to the device or its partitions and not sent, or not answered. It asks for no flush.
 * After a loss that takes until the server is back: a program that has written may be in its last
 * close(2), where its descriptor is gone already (blkdev_release() of block/fops.c), and requests
 * that wait for a connection are in no counter of sysfs.
 */
int claim_settle(int index, struct claim *c, struct err *err);

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
 * (another process holds it exclusively), or ERR_FAILED (it could not be opened or flushed).
 */
int claim_finish(struct claim *c, struct err *err);

/*
 * Releases the claim, at once or, if the process is blocked in the kernel, as soon as it returns.
 * The process need not be reaped. Does nothing for a claim that was not started.
 */
void claim_release(struct claim *c);

#endif
