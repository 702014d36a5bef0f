/* SPDX-License-Identifier: MIT */
/*
 * Landlock: the kernel's own check on files, ports and signals, a second wall behind the system
 * call filter. Nothing here allocates or blocks.
 */
#ifndef WORKER_LANDLOCK_H
#define WORKER_LANDLOCK_H

#include "worker/sandbox.h"

/* Whether the running kernel has it. */
bool landlock_available(void);

/*
 * Denies this thread, for good, all that the running kernel's Landlock can deny and the profile
 * does not need. A resolver keeps the files of readable.h. no_new_privs must be set. Returns 1, or
 * 0 if the kernel has no Landlock (before 5.13, or not enabled), or -errno.
 */
int landlock_enter(enum sandbox_profile profile);

#endif
