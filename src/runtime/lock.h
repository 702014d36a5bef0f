/* SPDX-License-Identifier: MIT */
/*
 * One attachment per device, and one per identifier for writable exports: advisory locks on files
 * in /run/nbd-attach, held by the supervisor for its whole life and freed by the kernel when it
 * ends, however it ends. Never blocks.
 */
#ifndef RUNTIME_LOCK_H
#define RUNTIME_LOCK_H

#include "base/err.h"

/*
 * Takes the lock and writes this process's id into the file. *ret_fd is the caller's to close,
 * which frees the lock. BUSY with -EBUSY and `what` in the sentence when another supervisor holds
 * it; SYSTEM if the file cannot be made. The file stays: removing it would race with a taker.
 */
int lock_take(const char *path, const char *what, int *ret_fd, struct err *err);

/* Writes this process's id again: after a fork the child inherits the lock. */
int lock_sign(int fd);

/* The process that holds the lock, or 0 if nobody does (or the file is missing). */
int lock_holder(const char *path);

#endif
