/* SPDX-License-Identifier: MIT */
/*
 * Makes new connections for an attached device whose old ones died: repeats attempts with
 * exponential, jittered delays (base/backoff.h), and lets attempts overlap where waiting for one
 * would cost time. Lives on the loop, never blocks. The caller judges the connections.
 *
 * Attempts overlap because a SYN into a cut network waits for its retransmission although the
 * network is back, and a connection in the backlog of a stopped server is silent: the oldest
 * attempt keeps its full time, and a younger one is started again with each delay.
 */
#ifndef SUPERVISE_RECONNECT_REDIAL_H
#define SUPERVISE_RECONNECT_REDIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/err.h"
#include "base/loop.h"
#include "transport/attempt.h"

struct redial;

struct redial_config {
	const struct endpoint *endpoint;      /* borrowed */
	const struct address_list *addresses; /* those known at attach; copied. None: resolve */
	const char *source;		      /* borrowed; NULL: any */
	const uid_t *peer_uid;		      /* borrowed; NULL: any */
	struct helpers *helpers;	      /* borrowed */
	struct backoff_config backoff;
	uint32_t timeout_ms; /* the limit of an attempt */
	uint32_t peer_timeout_ms;
	bool follow_dns; /* resolve the name again from time to time */
	uint32_t sample; /* see struct attempt_config */
	uint64_t sample_size;
};

/*
 * An attempt ended. ret 0: *result is a connection. The callee takes its descriptor with TAKE_FD()
 * and returns true, or leaves it and returns false: then the connection is not usable, and attempts
 * go on more slowly. Otherwise -errno and *err; the value returned does not matter. It must not
 * free r.
 */
typedef bool redial_fn(int ret, struct attempt_result *result, const struct err *err, void *arg);

/* NULL: no memory. */
struct redial *redial_new(struct loop *loop, const struct redial_config *cfg, redial_fn *fn,
			  void *arg);
void redial_free(struct redial *r); /* accepts NULL */

/*
 * Tries until `n` connections were taken; 0 stops. `again`: the last success did not last, so the
 * delays continue where they were. `beside`: other connections of the device are alive, so only the
 * address that answered last is dialled: several connections are safe only with one server.
 */
void redial_want(struct redial *r, unsigned n, bool again, bool beside);

/* The address that answered last comes first; an unknown one is ignored. */
void redial_prefer(struct redial *r, const struct address *peer);

/*
 * From now on another server is dialled (its endpoint and helpers are borrowed, its addresses
 * copied; none: resolve): at once, or after the next delay. Current attempts are dropped. Not from
 * within the redial_fn.
 */
void redial_aim(struct redial *r, const struct endpoint *endpoint, struct helpers *helpers,
		const struct address_list *addresses, bool at_once);

/* Tries at once: the network or the server's socket has changed, or the user asks for it. */
void redial_now(struct redial *r);

/* True if a server's host has accepted a connection and the handshake is under way. */
bool redial_connected(const struct redial *r);

/* The known addresses, the one that answered last first. Borrowed; empty: must be resolved. */
const struct address_list *redial_addresses(const struct redial *r);

/* Monotonic ms of the next attempt; 0: none is planned. */
uint64_t redial_next(const struct redial *r);

#endif
