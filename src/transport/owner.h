/* SPDX-License-Identifier: MIT */
/*
 * Which user of this machine serves a connection (--peer-uid). Of a Unix socket the kernel tells
 * it; for a TCP connection it reports which user accepted the other end, if that is in this network
 * namespace (sock_diag(7)). Nothing blocks.
 */
#ifndef TRANSPORT_OWNER_H
#define TRANSPORT_OWNER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * 0 if `wanted` serves the connection. -errno with *err: PERMANENT (another user does, or no
 * process of this machine), RETRY (the connection has ended), SYSTEM (the kernel does not tell).
 *
 * Only after the server has sent something over TCP: until it accepts a connection, the kernel
 * tells its own side only, and before Linux 6.17 it calls the owner of the other one root.
 */
int owner_check(int fd, uid_t wanted, struct err *err);

/*
 * The user whose process listens at the Unix socket that `fd` is connected to; `what` names it for
 * people. 0 or -errno with *err (FAILED).
 */
int owner_of_unix(int fd, const char *what, uid_t *ret_uid, struct err *err);

/*
 * The kernel's answer about the server's end, in memory and aligned for a struct nlmsghdr. 0, or
 * -ENOENT: there is no such end, it is not connected, or no process has accepted it; -EPROTO:
 * something else than an answer.
 */
int owner_read(const void *answer, size_t len, uid_t *ret_uid);

#endif
