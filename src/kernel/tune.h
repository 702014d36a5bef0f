/* SPDX-License-Identifier: MIT */
/*
 * Adjusts the queue of a newly attached device to its server. The driver sets only the attributes
 * it knows, and settings outlive an attachment, so this module resets what an earlier user or
 * server of the same index left behind, or refuses the device. Where the driver's own values are
 * small, it enlarges read-ahead, and requests if the server declares that it takes them.
 */
#ifndef KERNEL_TUNE_H
#define KERNEL_TUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "nbd/export.h"

struct tune {
	uint32_t max_payload;	/* the server's, in bytes; 0: undeclared, UINT32_MAX: unlimited */
	uint16_t flags;		/* NBD_TX_* as given to the kernel */
	bool enlarge;		/* tune_enlarges() */
	uint32_t io_timeout_ms; /* for queue/io_timeout, as by tune_io_timeout_apart(); 0: none */
};

/*
 * Call right after attaching, before anybody uses the device. Writing a queue attribute waits for
 * the requests under way, as those of udev, which are never answered if the server has just died.
 * So a process of its own writes them, for which this waits at most half a minute. Errors:
 * ERR_PERMANENT (the server's limit is below what the kernel can do), ERR_SYSTEM (a leftover
 * setting cannot be reset here: the message says how to do it), ERR_RETRY (the time is over),
 * ERR_FAILED.
 *
 * io_timeout is written last. This waits until that is done, but at most TUNE_WAIT_MS: udev may be
 * reading from a server that does not answer.
 */
#define TUNE_WAIT_MS 2000
int tune_device(int index, const struct tune *tune, struct err *err);

/* The same with the root of sysfs and the limit, for tests. */
int tune_device_within_at(const char *root, int index, const struct tune *tune, unsigned limit_ms,
			  struct err *err);

/* The same in this process, however long it takes, and without io_timeout. */
int tune_device_at(const char *root, int index, const struct tune *tune, struct err *err);

/* Are the driver's own requests and read-ahead small? */
bool tune_enlarges(void);

/*
 * Takes back what tune_device() has enlarged, because the next user of the index may not expect it.
 * Call it while nobody else can attach the device: before it is disconnected, or while it is open.
 * Best effort; does not wait for requests.
 */
void tune_undo(int index);
void tune_undo_at(const char *root, int index);

/*
 * Gives queue/io_timeout the driver's own value: the next user of the index keeps ours if it does
 * not set one. Call it once the device is disconnected and no request is left, while nobody else
 * can attach it. Best effort.
 */
void tune_forget_io_timeout(int index);

/*
 * Sets queue/io_timeout (ms), which the driver resets with every timeout that it gets, in a
 * separate process that is not a child of ours: from 6.12 on, writing it waits until no request is
 * under way, and a process that has to reconnect must not wait for that. The process writes at a
 * moment without requests, or, if there is none within ten minutes, not at all. It keeps no
 * descriptor of its caller. Best effort; does not block.
 */
void tune_io_timeout_apart(int index, uint32_t ms);
void tune_io_timeout_apart_at(const char *root, int index, uint32_t ms);

/*
 * True if a detached device has leftovers that the next CONNECT would keep and that cannot be
 * undone: WRITE_ZEROES of a server that had it (seen on 6.12 and 7.2; the next server gets the
 * requests), a BLKROSET (6.1 and later), discards switched off (6.12 and later). Removing and
 * creating the device again is the cure.
 */
bool tune_leftovers(int index, uint16_t flags);

#endif
