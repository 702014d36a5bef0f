/* SPDX-License-Identifier: MIT */
/* The options of earlier versions, on the command line and in configuration files. */
#ifndef CLI_REMOVED_H
#define CLI_REMOVED_H

#include <stddef.h>

#include "base/err.h"

/* A name of len bytes without dashes. -EINVAL with an ERR_USAGE sentence that names the successor
 * if an earlier version had an option of this name. */
int removed_option(const char *name, size_t len, struct err *err);

#endif
