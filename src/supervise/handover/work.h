/* SPDX-License-Identifier: MIT */
/*
 * Replaces dead connections in the kernel, with the only safe sequence: the old one is known to be
 * dead, the device is ours, the new socket is handed over, and its acceptance is verified, because
 * the driver reports success also when it drops a socket. Blocking functions for the helper thread
 * (base/offload.h); no other code uses the struct meanwhile.
 */
#ifndef SUPERVISE_HANDOVER_WORK_H
#define SUPERVISE_HANDOVER_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/kernel.h"
#include "supervise/attachment.h"

struct heal {
	struct kernel *kernel; /* borrowed */
	int index;
	const char *identifier;		/* borrowed */
	int mark;			/* sysfs_mark(); borrowed */
	struct kmsg *kmsg;		/* NULL: the log cannot be read; borrowed */
	unsigned connections;		/* of the device */
	uint64_t last_death;		/* monotonic ms: the driver needs a moment to notice */
	bool restore;			/* also set the timeouts (after heal_fail_work()) */
	uint64_t timeout, dead_timeout; /* seconds */
	uint32_t io_timeout;		/* ms; 0: leave it */
	int fd[KERNEL_CONNECTIONS_MAX]; /* new sockets, the caller's */
	size_t n;

	bool adopted[KERNEL_CONNECTIONS_MAX]; /* out: the driver has it */
	bool doubted[KERNEL_CONNECTIONS_MAX]; /* out: not adopted, but the driver may have it */
	bool declined;	/* out: the driver said that it knew of no dead connection */
	bool gone;	/* out: the device is no longer ours */
	struct err err; /* out, if something failed: why */
};

/*
 * The kind of job for which the helper thread has the single struct heal of a device. A second job
 * waits until the first is done: two at a time would lose sockets, or offer one of them twice.
 */
enum heal_owner {
	HEAL_NOBODY,	 /* the struct is free */
	HEAL_HANDS_OVER, /* heal_work(): it owns the sockets in the struct */
	HEAL_FAILS_IO,	 /* heal_fail_work() */
};

/* The facts about the attached device; no socket, and no limit of time. */
void heal_prepare(struct heal *h, struct kernel *kernel, const struct attachment *at);

/* Hands the sockets over. Those not adopted cannot be used again: close them. */
void heal_work(struct heal *h);

/*
 * The dead timeout has passed: makes the kernel fail requests in flight, requests waiting for a
 * connection, and new ones until heal_work() with `restore`. It sets a request timeout of a second
 * and a dead timeout of 0; a socket whose other end is closed wakes the waiting ones. No server is
 * involved. In: kernel, index, identifier, mark. Out: gone, err.
 */
void heal_fail_work(struct heal *h);

/*
 * Undoes that, as far as possible without a connection: later requests wait again. io_timeout is
 * the driver's own until heal_work() with `restore`. In: the same, timeout, dead_timeout. Out:
 * gone, err.
 */
void heal_wait_work(struct heal *h);

/*
 * Asks the kernel whether the device is disconnected but looks attached, because a process has it
 * open. In: kernel, index, identifier, mark. Out: gone, err.
 */
void heal_check_work(struct heal *h);

#endif
