/* SPDX-License-Identifier: MIT */
/* A device by the name that was given to it (--name, or that of its configuration), by its link in
 * /dev/disk/by-nbd, or by where it is mounted. */
#ifndef VERBS_DEVICE_H
#define VERBS_DEVICE_H

#include "cli/options.h"

/*
 * The number of the device that o->device names. A name is looked for in the state files, and what
 * they say counts only for a device that has a supervisor, or that is still attached as they say.
 * 0; -ENOENT: no such device is attached; -EEXIST: several are (ERR_FAILED, with their names).
 * Of a directory, the device that is mounted there; see kernel/place.h for the errors.
 */
int cmd_device(const struct options *o, int *ret_index, struct err *err);

/*
 * The device that the configuration of this name has, or -1 if that is any free one. 0, or -errno:
 * there is no such configuration, or it is wrong.
 */
int cmd_device_configured(const char *name, int *ret_index);

/*
 * True and ERR_USAGE in *err if the kernel has NBD devices, but none with this number. Without the
 * nbd module there are none at all, and then no number is wrong. True and ERR_SYSTEM in *err if
 * sysfs is not mounted.
 */
bool cmd_device_missing(int index, struct err *err);

/* Logs an error, with the device before it unless the sentence names it. */
void cmd_complain(int index, const char *sentence);

#endif
