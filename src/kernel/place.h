/* SPDX-License-Identifier: MIT */
/*
 * Finds the NBD device that is mounted at a directory, using only /proc and sysfs: it touches
 * neither the file system nor the device, because either may wait for a dead server.
 */
#ifndef KERNEL_PLACE_H
#define KERNEL_PLACE_H

#include <stdio.h>

#include "base/err.h"

/*
 * The number of the device, also of a partition of it, whose file system is mounted at `dir`, an
 * absolute path; of several on top of each other the uppermost counts. Errors: ERR_FAILED with
 * -ENOENT (nothing is mounted there), -ENOTBLK (something else is), others (/proc is unreadable).
 */
int place_device(const char *dir, int *ret_index, struct err *err);

/* The same with other roots than "/proc" and "/sys", for tests. */
int place_device_at(const char *proc, const char *sys, const char *dir, int *ret_index,
		    struct err *err);

/* The same with an open mountinfo (borrowed), read to its end. */
int place_device_in(FILE *mountinfo, const char *sys, const char *dir, int *ret_index,
		    struct err *err);

/* The number in "nbd7", or "nbd7p1" for a partition of it; -1: it is neither. */
int place_disk(const char *name);

#endif
