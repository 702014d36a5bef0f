/* SPDX-License-Identifier: MIT */
/*
 * Reads the sysfs attributes of an NBD device, and sets a few of them. Reading opens no device and
 * never blocks: an attribute in queue/ is read by another process, for a limited time
 * (kernel/queue-reader). Writing one of these can wait until the queue's requests are done, for as
 * long as the peer is dead: never on an event loop's thread.
 *
 * Functions whose name ends in _at take the root of the tree ("/sys"), so that tests can give
 * another.
 */
#ifndef KERNEL_SYSFS_H
#define KERNEL_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/root.h"
#include "nbd/export.h"

/*
 * An attribute of /sys/block/nbdN, as text without the newline: 0, -ENOENT, -E2BIG,
 * -EAGAIN (in queue/: another program's write has not ended for some seconds), or others.
 */
int sysfs_read_at(const char *root, int index, const char *attribute, char *buf, size_t size);

/* The same, but waits at most `wait_ms` for an attribute in queue/. */
int sysfs_read_within_at(const char *root, int index, const char *attribute, char *buf, size_t size,
			 int wait_ms);

/* The same as a number: also -EINVAL. */
int sysfs_number_at(const char *root, int index, const char *attribute, uint64_t *ret_value);

/* Writes an attribute. May block (see above). 0 or -errno. */
int sysfs_write_at(const char *root, int index, const char *attribute, const char *value);

/* 0, or -ENODEV with an ERR_SYSTEM sentence: sysfs is not there, so that every device would look as
 * if it were not attached. */
int sysfs_check(struct err *err);

/* True if the device is configured: its attribute `pid` exists only while it is. */
bool sysfs_attached_at(const char *root, int index);

/*
 * True if nothing is left of an earlier attachment: no `pid` and no capacity. A disconnected device
 * keeps both until its last user closes it. Also true for a device that does not exist (yet).
 */
bool sysfs_device_free_at(const char *root, int index);

/* The kernel's data about an attached device. */
struct sysfs_device {
	int pid;       /* of who attached it (stale for netlink; a thread's for ioctl) */
	uint64_t size; /* bytes */
	bool read_only;
};

/* 0 or -ENODEV (not attached), others. */
int sysfs_device_at(const char *root, int index, struct sysfs_device *ret_device);

/* As the _at functions, on the running system. */
bool sysfs_attached(int index);
bool sysfs_device_free(int index);
int sysfs_device(int index, struct sysfs_device *ret_device);

/* In bytes. 0, -EAGAIN (see sysfs_read_at()), or another -errno. */
int sysfs_block_size_at(const char *root, int index, uint32_t *ret_bytes);
int sysfs_block_size(int index, uint32_t *ret_bytes);

/*
 * The number of requests that a device has completed and has in flight
 * (Documentation/block/stat.rst).
 */
struct sysfs_progress {
	uint64_t completed; /* requests since it was made */
	uint64_t written;   /* sectors written or discarded; a flush, which the kernel also counts
			       as a request that writes, adds none */
	unsigned
	    in_flight; /* sent to the server; those that wait for a connection are not counted */
	bool counted;  /* false: queue/iostats is 0, and all of the above stands still */
	bool unknown;  /* whether they are counted: then `counted` is false */
};

/* 0 or -errno. */
int sysfs_progress(int index, struct sysfs_progress *ret_progress);
int sysfs_progress_at(const char *root, int index, struct sysfs_progress *ret_progress);

/* Surely no request is in flight. */
static inline bool sysfs_is_idle(const struct sysfs_progress *p)
{
	return p->counted && p->in_flight == 0;
}

/*
 * The number of write and discard requests since the device was created; a later attachment does
 * not reset it. 0, -ENODATA (queue/iostats is 0: the kernel does not count), -EAGAIN
 * (whether it does is unknown), or another -errno.
 */
int sysfs_written(int index, uint64_t *ret_requests);

/* The number of hardware queues of the device; 0: unknown. */
unsigned sysfs_queues(int index);

/*
 * The identifier stored in the kernel (`backend`, since 5.14): 0, -ENOENT (not attached, or
 * attached without one, or an older kernel), -E2BIG.
 */
int sysfs_backend(int index, char *buf, size_t size);

/*
 * A descriptor that stands for the present attachment, the caller's to close: it becomes invalid
 * when the kernel has torn that down, also if the device is attached again. -errno.
 */
int sysfs_mark(int index);
bool sysfs_mark_valid(int fd);

/*
 * A number that the present attachment has and no other, before the next boot: the inode of `pid`,
 * which is made anew for each; kernfs counts them up. 0: not attached.
 */
uint64_t sysfs_attachment(int index);
uint64_t sysfs_attachment_at(const char *root, int index);
/* The same of a sysfs_mark(), also after the attachment has ended. 0: fd is none. */
uint64_t sysfs_mark_attachment(int fd);

/*
 * Makes the kernel announce the device, and its partitions, to udev once more: `action` is "add" or
 * "change"; the events carry SYNTH_ARG_NBDSTATE=`state`, letters and digits. Opens no device, and
 * waits for no request. 0, or the first -errno; the others are still announced.
 */
int sysfs_announce(int index, const char *action, const char *state);
int sysfs_announce_at(const char *root, int index, const char *action, const char *state);

/*
 * Calls fn for every device-mapper device that lies on the device or on one of its partitions,
 * directly or on another of them: its name ("dm-0") and that of what it lies on ("nbd0p1").
 */
typedef void sysfs_holder_fn(const char *holder, const char *slave, void *arg);
void sysfs_holders(int index, sysfs_holder_fn *fn, void *arg);
void sysfs_holders_at(const char *root, int index, sysfs_holder_fn *fn, void *arg);

/* As sysfs_announce(), for one device by its name in /sys/block. */
int sysfs_announce_holder(const char *holder, const char *action, const char *state);

/* A number from /sys/module/nbd/parameters: 0 or -errno. */
int sysfs_module_parameter(const char *name, uint64_t *ret_value);

/* True if the nbd module is there, loaded or built in. */
bool sysfs_module_present(void);

/*
 * True while the module is being loaded: its directory is there, and udev is told of it, before the
 * first device and the netlink interface are.
 */
bool sysfs_module_coming(void);
bool sysfs_module_coming_at(const char *root);

/* True if the running kernel calls itself this version or a later one. */
bool sysfs_kernel_since(unsigned major, unsigned minor);

/* The largest block size in bytes that the running kernel's nbd driver supports. */
uint32_t sysfs_kernel_block_max(void);

#endif
