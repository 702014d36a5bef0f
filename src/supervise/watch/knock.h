/* SPDX-License-Identifier: MIT */
/*
 * Ends a connection at the server's side that was reset here while the network was cut: by
 * SOCK_DESTROY, or by the end of its relay. The RST is lost and is never sent again, so a server of
 * one client at a time would keep the dead client for ever. A connection with the same addresses
 * and ports is begun until an answer comes: the server's host answers it for the old connection
 * (RFC 5961, section 4), our kernel resets that one, and the server is free. Nothing is sent on the
 * new connection, and it is closed at once. Nothing blocks.
 */
#ifndef SUPERVISE_WATCH_KNOCK_H
#define SUPERVISE_WATCH_KNOCK_H

#include "base/loop.h"
#include "supervise/watch/diag.h"

struct knock;

/* Begins for a TCP connection, which is copied, after delay_ms. NULL: no memory. */
struct knock *knock_new(struct loop *loop, const struct diag_socket *at, uint32_t delay_ms);
void knock_free(struct knock *k); /* accepts NULL; at any time */

#endif
