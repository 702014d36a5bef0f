/* SPDX-License-Identifier: MIT */
/*
 * Starts a new supervisor, which reads the configuration again and takes the device over
 * (messages.h); after an upgrade, from the program that is installed now. It is not a child of this
 * process but of this process's parent, so that a service manager notices its end later on.
 */
#ifndef SUPERVISE_SUCCESSION_RENEWAL_H
#define SUPERVISE_SUCCESSION_RENEWAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* True if the file of this program was removed, and its path leads to another program. */
bool renewal_is_upgrade(void);

/*
 * Starts the program at the path of this one with the arguments, the environment and the standard
 * descriptors of this one. Waits only for the two processes to be made. 0 or -errno with *err.
 */
int renewal_start(pid_t *ret_pid, struct err *err);

/* True if this process was started so; removes the mark from the environment. */
bool renewal_is_heir(void);

/*
 * For tests: copies those of the NUL-terminated strings in `block` to ret_words that the new
 * program gets as its environment, and the mark. Returns their number, or 0: there are more than
 * `most`.
 */
size_t renewal_environment(char *block, size_t len, char **ret_words, size_t most);

#endif
