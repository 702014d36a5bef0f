/* SPDX-License-Identifier: MIT */
/*
 * Signs that a lost server may be back, so that no delay is waited out in vain: an address, route
 * or link that comes up (rtnetlink(7)), or the server's Unix socket that appears (inotify(7)).
 * Watched only during an outage; lives on the loop, never blocks (except for a Unix socket's
 * directory on a dead network file system).
 */
#ifndef SUPERVISE_RECONNECT_HINTS_H
#define SUPERVISE_RECONNECT_HINTS_H

#include "base/loop.h"

struct hints;

typedef void hints_fn(const char *what, void *arg);

/*
 * unix_path (borrowed): the server's, or NULL. NULL: no memory. If the system refuses a watch,
 * there is none: the delays are short anyway.
 */
struct hints *hints_new(struct loop *loop, const char *unix_path, hints_fn *fn, void *arg);
void hints_free(struct hints *h); /* accepts NULL */

/* The hint in a datagram of rtnetlink, which is aligned for a struct nlmsghdr; NULL: none. */
const char *hints_route_news(const void *datagram, size_t len);

#endif
