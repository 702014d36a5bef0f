/* SPDX-License-Identifier: MIT */
/*
 * What udev does with a device: read from its database in /run/udev and from /proc. Only files in
 * memory are read, so nothing here blocks.
 */
#ifndef KERNEL_UDEV_H
#define KERNEL_UDEV_H

#include <stdbool.h>

/* True if udev runs in this mount namespace, with the rules of nbd-attach. */
bool udev_runs(void);

/*
 * True if the process is root's and udev's, or has been started by such a process. `proc` is
 * "/proc" except in tests.
 */
bool udev_started(const char *proc, int pid);

enum udev_seen {
	UDEV_NOT_YET, /* udev has not finished with the disk */
	UDEV_DISK,    /* ... but not with every partition */
	UDEV_ALL,     /* all names exist: udev writes its database last */
};

/*
 * How far udev is with the attachment whose number in sysfs is `pid`, and with its names for it,
 * /dev/disk/by-nbd/`name` and those of the partitions that the kernel shows.
 */
enum udev_seen udev_seen(int index, int pid, const char *name);

/*
 * Makes the kernel announce those partitions that udev has not seen as parts of this attachment: if
 * udev was quicker than the supervisor, it took them for a stranger's. Writes to sysfs.
 */
void udev_prod(int index, int pid, const char *name);

#endif
