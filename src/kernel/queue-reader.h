/* SPDX-License-Identifier: MIT */
/*
 * Reads the attributes in /sys/block/nbdN/queue in a process of its own, because a read may not
 * return before the server does. The kernel reads and writes each of them under one lock
 * (block/blk-sysfs.c: sysfs_lock, on newer kernels also limits_lock), and a writer that freezes the
 * queue keeps the lock until the requests have ended: `echo 64 >queue/nr_requests` in an outage
 * (seen on 6.1). A supervisor that waited for that lock would never replace the connection for
 * which the requests wait. Neither `stat` nor any other attribute outside queue/ needs the lock.
 *
 * There is one reader for the whole process, which keeps no descriptor but its channel and the
 * held directories (base/held), so that it can be left behind while it is blocked. Any thread may
 * call this.
 */
#ifndef KERNEL_QUEUE_READER_H
#define KERNEL_QUEUE_READER_H

#include <stdbool.h>
#include <stddef.h>

/* Starts it, before memory is short; otherwise the first read does. 0 or -errno. */
int queue_reader_start(void);

/*
 * Ends it, and waits for that unless it is blocked: a service manager names each process that a
 * supervisor leaves behind. No other thread may be in here. Later reads start it again.
 */
void queue_reader_end(void);

/* In a forked child that may block itself, and has closed all descriptors: it reads by itself. */
void queue_reader_forget(void);
/* True after queue_reader_forget(). */
bool queue_reader_is_forgotten(void);

/*
 * Reads the file as text without the newline. Waits at most `wait_ms`; not at all if the reader is
 * still blocked by an earlier read, and `wait_ms` is QUEUE_READER_LOOK_MS. 0, -EAGAIN (it is
 * blocked), -E2BIG, or another -errno.
 */
int queue_reader_read(const char *path, char *buf, size_t size, int wait_ms);

#define QUEUE_READER_LOOK_MS 100  /* on an event loop */
#define QUEUE_READER_WAIT_MS 3000 /* elsewhere: a busy machine may take a while */

#endif
