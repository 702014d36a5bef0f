/* SPDX-License-Identifier: MIT */
/*
 * The names of our files in /run/nbd-attach. NBD_ATTACH_RUNDIR in the environment replaces the
 * directory, for tests and for people who try things without privilege.
 */
#ifndef RUNTIME_RUNDIR_H
#define RUNTIME_RUNDIR_H

#include <limits.h>

#include "base/err.h"

struct rundir_path {
	char text[PATH_MAX];
};

const char *rundir(void);

/*
 * Creates the directory (0755, root's) if it is missing, and takes from others the right to write
 * in it. SYSTEM error if that fails, or if it belongs to another user.
 */
int rundir_make(struct err *err);

/* `DIR/nbdN.SUFFIX` */
struct rundir_path rundir_device(int index, const char *suffix);

/* `DIR/name-NAME.lock` for a device's name, which is safe in a path. */
struct rundir_path rundir_name(const char *name);

/* `DIR/id-HASH.lock` for a backend identifier: a 64-bit FNV-1a hash, because an identifier may be
 * longer than a file name. */
struct rundir_path rundir_identifier(const char *identifier);

#endif
