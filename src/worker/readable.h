/* SPDX-License-Identifier: MIT */
/*
 * The files that a resolver may read, and the walls around them. The same list serves Landlock and,
 * where the kernel has none, a root directory that holds nothing else. Sockets of local name
 * services lie in /run and /var.
 */
#ifndef WORKER_READABLE_H
#define WORKER_READABLE_H

#include <stdbool.h>

/* Directories, with all that is below; ends with NULL. /run comes on top of it. */
extern const char *const readable_directories[];

/* The one entry of /run that a resolver may not have: the session buses and keys of users. */
#define READABLE_NOT "user"

/*
 * Adds a rule to the Landlock ruleset for each of them, and for the files of /etc that are links to
 * elsewhere. A path that does not exist is left out.
 */
void readable_allow(int ruleset);

/*
 * Makes a root directory of them for this process alone: with the rights of root, or in a user
 * namespace, if the kernel lets users make one. Needs one thread, and comes before rights are
 * dropped. False if it is impossible: then nothing has changed that the process could notice.
 */
bool readable_private_root(void);

#endif
