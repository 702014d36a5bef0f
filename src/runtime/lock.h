/* SPDX-License-Identifier: MIT */
/*
 * One attachment per device, and one per identifier for writable exports: advisory locks on files
 * in /run/nbd-attach, held by the supervisor for its whole life and freed by the kernel when it
 * ends, however it ends. Never blocks for longer than it takes another process to replace a file,
 * or the helpers of a process that was killed to end.
 *
 * Only the owner may open the files (mode 0600): a process that can open a file can lock it.
 * Examining a lock never takes it, so that it cannot get in the way of a process that does.
 */
#ifndef RUNTIME_LOCK_H
#define RUNTIME_LOCK_H

#include "base/err.h"

/*
 * Takes the lock and writes this process's id into the file, for people to read. The caller closes
 * *ret_fd, which releases the lock. BUSY with -EBUSY and `what` in the sentence when another
 * supervisor holds it; RETRY with -EBUSY when that one has ended, but the kernel or a helper still
 * has the file open; SYSTEM if the file cannot be made. The file stays: removing it would race with
 * a taker.
 *
 * A file of an earlier version, which others may have opened, is replaced unless a process of this
 * user holds its lock.
 */
int lock_take(const char *path, const char *what, int *ret_fd, struct err *err);

/*
 * A lock that another process has taken and passed on as an open file: is it the one of this path,
 * and held? 0, or -errno (-EBUSY: another open file holds it). The file's number stays as it is
 * until lock_sign(), which writes this process's.
 */
int lock_inherit(const char *path, int fd);
int lock_sign(int fd);

/*
 * Lets others find this process with lock_pidfd(). Only for a process that never calls
 * lock_holder() or lock_pidfd() for its own lock, because closing the file there would undo it.
 */
int lock_identify(int fd);

/*
 * The process that holds the lock, or 0 if there is none (or the file is missing). Needs no
 * privilege. The number is for comparing and for people: it may be of a process that has ended.
 */
int lock_holder(const char *path);

/*
 * The same, but 0 if that process has ended or belongs to another PID namespace. A helper that a
 * killed process was just starting may hold its lock for a moment.
 */
int lock_live_holder(const char *path);

/*
 * A pidfd, the caller's to close, of the process that holds the lock, or -1 if there is none. The
 * kernel says which process that is; the number in the file is not asked.
 */
int lock_pidfd(const char *path);

#endif
