/* SPDX-License-Identifier: MIT */
/* Turns a child of the supervisor into a command of the user: --on-change, --fence. */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include "base/err.h"

/*
 * Can commands be run? 0, or -EAGAIN with ERR_RETRY: the initramfs has been left, and its shell
 * with it.
 */
int child_check(struct err *err);

/*
 * After fork(): runs the command with /bin/sh in a session and process group of its own, inheriting
 * only the environment and standard error. Exits with 127 if the command cannot be run.
 */
_Noreturn void child_shell(const char *command);

#endif
