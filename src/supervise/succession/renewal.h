/* SPDX-License-Identifier: MIT */
/*
 * Starts this program anew, to take the device over (messages.h): it reads the configuration again,
 * and after an upgrade it is the new program. It is not a child of this process but of this
 * process's parent, so that a service manager notices its end later on.
 */
#ifndef SUPERVISE_SUCCESSION_RENEWAL_H
#define SUPERVISE_SUCCESSION_RENEWAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"

struct renewal;

/* True if the file of this program was removed, and its path leads to another program. */
bool renewal_is_upgrade(void);

/* That process has ended. Called from the loop at most once; may free the part. */
typedef void renewal_ended_fn(void *arg);

/*
 * Starts the program with the arguments, the environment and the standard descriptors of this one.
 * Waits only for the two processes to be made. NULL with *err.
 */
struct renewal *renewal_start(struct loop *loop, renewal_ended_fn *fn, void *arg, struct err *err);
pid_t renewal_pid(const struct renewal *r); /* accepts NULL: 0 */
void renewal_free(struct renewal *r);	    /* accepts NULL; the process goes on */

/* True if this process was started so; removes the mark from the environment. */
bool renewal_is_heir(void);

/*
 * For tests: copies those of the NUL-terminated strings in `block` to ret_words that the new
 * program gets as its environment, and the mark. Returns their number, or 0: there are more than
 * `most`.
 */
size_t renewal_environment(char *block, size_t len, char **ret_words, size_t most);

#endif
