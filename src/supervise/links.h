/* SPDX-License-Identifier: MIT */
/*
 * The connections that the kernel uses, seen through our duplicates of the sockets: polled for
 * hang-up only, never read, never changed (they are the kernel's). Owns the descriptors.
 */
#ifndef SUPERVISE_LINKS_H
#define SUPERVISE_LINKS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"

#define LINKS_MAX 16

struct links;

/* Called on the loop when a connection is found dead; `alive` are left. */
typedef void links_fn(unsigned alive, void *arg);

/* NULL: no memory. */
struct links *links_new(struct loop *loop, links_fn *fn, void *arg);
void links_free(struct links *l); /* accepts NULL; closes the descriptors */

/* Takes ownership of fd. 0, or -errno (then fd is still the caller's). Watching starts with
 * links_watch(), because a peer that hangs up early is found by the attach itself. */
int links_add(struct links *l, int fd);
int links_watch(struct links *l);

/* The descriptors, borrowed, and how many; for the hand-over. */
const int *links_fds(const struct links *l, size_t *ret_n);
unsigned links_count(const struct links *l);
unsigned links_alive(const struct links *l);
bool link_alive(const struct links *l, size_t i);

/* Ends every connection at once: the kernel's blocked sends and receives return. */
void links_shutdown(struct links *l);

/* Closes all, for another try. */
void links_clear(struct links *l);

#endif
