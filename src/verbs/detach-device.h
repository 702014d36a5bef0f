/* SPDX-License-Identifier: MIT */
/* Detaches one device, for the command. */
#ifndef VERBS_DETACH_DEVICE_H
#define VERBS_DETACH_DEVICE_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Asks its supervisor, or does it alone if there is none. During shutdown a device that is in use
 * is waited for. The result is the exit status; err->message is what is to be said whatever that
 * is: the reason, or a remark, or "". *ret_was: the device was attached. Blocks.
 */
int detach_device(int index, bool force, bool *ret_was, struct err *err);

#endif
