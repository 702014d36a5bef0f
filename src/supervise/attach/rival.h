/* SPDX-License-Identifier: MIT */
/*
 * Another device that is attached to the same export for writing. The lock of an export ends with
 * its supervisor, and a container may have its own run directory; the kernel's identifiers exist in
 * both cases. This is a guard against mistakes, not a lock.
 */
#ifndef SUPERVISE_ATTACH_RIVAL_H
#define SUPERVISE_ATTACH_RIVAL_H

#include "base/err.h"
#include "kernel/kernel.h"

/*
 * The first device other than `index` (-1: any device) that is connected with that identifier and
 * can be written; -1: there is none. Blocks as kernel_change() does: for the helper thread.
 */
int rival_find(struct kernel *kernel, int index, const char *identifier);

/* The BUSY error for such a device; returns -EBUSY. */
int rival_refuse(int rival, const char *identifier, struct err *err);

/*
 * After device `index` was connected: 0 if it may stay. If two are connected at the same time, the
 * one with the higher index must be detached. BUSY if that is ours, or if the other one stays.
 */
int rival_yield(struct kernel *kernel, int index, const char *identifier, struct err *err);

#endif
