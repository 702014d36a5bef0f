/* SPDX-License-Identifier: MIT */
/*
 * The calling thread's capabilities, by the three system calls that capabilities(7) describes. Not
 * through libcap-ng: its constructor and each of its queries read files of /proc, which took longer
 * than the rest of what an attach does before it dials. No function here allocates, blocks or needs
 * a file.
 */
#ifndef BASE_CAPABILITY_H
#define BASE_CAPABILITY_H

#include <linux/capability.h>
#include <stdbool.h>

/*
 * Returns 1 if `capability` (CAP_...) is effective, 0 if it is not, or -errno if that is unknown.
 */
int capability_effective(int capability);

/*
 * True if the process is in a user namespace other than the machine's first one: the capabilities
 * that it has there count for nothing outside. False if /proc does not tell.
 */
bool capability_in_user_namespace(void);

/* Empties the bounding set permanently. Needs CAP_SETPCAP. Returns 0 or -errno. */
int capability_empty_bounding_set(void);

/*
 * Empties all other sets (effective, permitted, inheritable, ambient) and verifies that they are
 * empty. Returns 0 or -errno.
 */
int capability_drop_all(void);

#endif
