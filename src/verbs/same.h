/* SPDX-License-Identifier: MIT */
/*
 * The same attachment asked for again, which is success. A supervisor's state file has each option
 * by name with a digest of its value, so that a difference can be named and no value is published.
 * A value may be a command with a password: the digest needs a key that only root can read.
 */
#ifndef VERBS_SAME_H
#define VERBS_SAME_H

#include "supervise/supervisor.h"

/*
 * The options of an attachment as `NAME:DIGEST NAME:DIGEST ...`: all but those that matter only
 * while it begins. The caller frees it; "": the key cannot be read; NULL: no memory.
 */
char *same_options(const struct supervisor_config *cfg);

struct state;

/*
 * Writes the names of the options with which the device was attached and which are not the
 * defaults, with commas between them. 0 or -errno: -EACCES if the key cannot be read, -ENODATA for
 * the state of an earlier version.
 */
int same_given(const struct state *s, char *buf, size_t size);

/*
 * If a living supervisor has such a device, the exit status: 0 when it is attached, after waiting
 * as a first attachment would while it reconnects; 4 when it does not get there; 3, naming what
 * differs. -1: there is none, or it is not certain, so attaching has to find out. *err is set if
 * the status is not 0. Blocks.
 */
int same_attached(const struct supervisor_config *cfg, struct err *err);

/*
 * Call it before an attached device is taken over. Compares the wanted options with those in the
 * device's state file. If they differ in options that the kernel keeps, this logs a warning that
 * names these, and sets *ret_options to the options that will be in force; the caller frees it.
 * Otherwise *ret_options keeps its value. Returns 0 or -ENOMEM.
 */
int same_keep_fixed(const struct supervisor_config *cfg, char **ret_options);

#endif
