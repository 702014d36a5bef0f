/* SPDX-License-Identifier: MIT */
/*
 * Passes data between the kernel and a server where the kernel's nbd driver cannot use the
 * connection itself: with TLS that the kernel does not support, or over a transport such as vsock.
 * It runs in the worker that did the handshake, which stays as this connection's relay, in its
 * sandbox and with its session: one process a connection, because a TLS session cannot move, and so
 * that a server reaches no other's data.
 *
 * Both directions go on independently, each with bounded buffers that were there before; available
 * data is forwarded at once, many TLS records in one system call. The relay depends on no other
 * process: it outlives the supervisor and ends with either of its two sockets, of which no other
 * process has a copy.
 *
 * A request that could not be sent is dropped when the connection ends, never sent late: the
 * kernel sends it again over the next one (rule 1 of the data safety rules). So the socket is
 * reset, not closed, unless the kernel's last word was the end of the session (NBD_CMD_DISC).
 * A reset may be lost in a network that is cut; the supervisor tells the server again
 * (watch/knock.h).
 *
 * Its exit status says which side was first: only then is the server known to have ended (rule 1).
 *
 * After a reply that says that the server is shutting down (nbd/traffic.h) the server gets no more
 * requests, and is asked to close when it has answered all that it has.
 */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include <stdint.h>

#include "worker/relay-end.h"
#include "worker/tls/session.h"

struct relay;

struct relay_config {
	int sock;		  /* to the server; both borrowed */
	int kernel;		  /* to the kernel */
	struct tls *tls;	  /* borrowed; NULL: bytes as they are */
	uint32_t peer_timeout_ms; /* a TCP peer that acknowledges nothing for this time is dead */
	uint32_t leave_ms;	  /* for the end of a server that has answered all; 0: 30 s */
};

/* Allocates all memory that the relay will need. Returns NULL if there is none. */
struct relay *relay_new(const struct relay_config *cfg);

/* Runs the relay; blocks until it ends. The caller may then close both sockets. */
enum relay_end relay_run(struct relay *r);

#endif
