/* SPDX-License-Identifier: MIT */
/*
 * The files that the udev rules read. Two files in /run/nbd-attach:
 *
 *   nbdN.PID.udev  while a device of ours is attached: properties for IMPORT{file}
 *   nbdN.PID.lost  beside it, while the device has no living connection: nobody may read from it
 *
 * PID is what the kernel keeps in the device's sysfs attribute `pid`, from which the rules make the
 * names. It is another one for each attachment, so a file that was left behind means nothing to
 * whatever is attached next.
 *
 *   nbdN.noscan    while a device is being attached that udev must not read: udev may look at it
 *                  before its PID is known. Afterwards nbdN.PID.udev says so
 *
 * and, for each device-mapper device that lies on a lost one,
 *
 *   dm-N.holder    properties that say so; they mean nothing without the nbdN.PID.lost they name
 *
 * The directory is in memory: nothing here waits for a disk.
 */
#ifndef RUNTIME_MARKS_H
#define RUNTIME_MARKS_H

#include <stdbool.h>

struct marks {
	int index;	     /* of /dev/nbdN */
	int pid;	     /* of the attachment, from sysfs */
	const char *name;    /* for /dev/disk/by-nbd; safe for udev */
	const char *unit;    /* the systemd unit to restart; NULL: none */
	const char *backend; /* the device's identifier */
	bool no_scan;	     /* udev must not read it */
	bool lost;
};

/*
 * Writes the files for *m and removes those of earlier attachments. Returns 0, with *ret_changed
 * true if that changed anything, or -errno.
 */
int marks_set(const struct marks *m, bool *ret_changed);

/* Writes or, if lost is false, removes the file of `holder`, which lies on `slave`. 0 or -errno. */
int marks_holder(const struct marks *m, const char *holder, const char *slave);

/*
 * Writes nbdN.noscan, or removes what a supervisor that died has left of it. 0 or -errno; it is no
 * error if there is none.
 */
int marks_expect(int index, bool no_scan);

/*
 * Removes all of them, before a deliberate detach, so that the udev rules do not attach the device
 * again.
 */
void marks_remove(int index);

/* True if text may stand in the files as the name of a unit. */
bool marks_unit_ok(const char *unit);

#endif
