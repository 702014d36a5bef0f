/* SPDX-License-Identifier: MIT */
/*
 * What a child of the supervisor does to become a command of the user's: --on-change, --fence.
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

/*
 * After fork(): runs the command with /bin/sh in a session and process group of its own, with
 * nothing of ours but the environment and standard error. 127 if that cannot be.
 */
_Noreturn void child_shell(const char *command);

#endif
