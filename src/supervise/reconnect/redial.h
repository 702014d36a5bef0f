/* SPDX-License-Identifier: MIT */
/*
 * Gets new connections for an attached device whose old ones died: tries again and again with
 * exponential, jittered delays (base/backoff.h), in attempts that overlap where waiting for one
 * would cost time. Lives on the loop, never blocks. What is to be thought of a connection is its
 * caller's business.
 *
 * Attempts overlap because a SYN into a cut network waits for its retransmission while the
 * network is back, and a connection into the backlog of a stopped server says nothing: an older,
 * patient attempt is left its whole time, and a younger one is made anew with each delay.
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
	uint32_t timeout_ms; /* the patience of an attempt */
	uint32_t peer_timeout_ms;
	bool follow_dns; /* resolve the name again, now and then */
	uint32_t sample; /* see struct attempt_config */
	uint64_t sample_size;
};

/*
 * A try ended. ret 0: *result is a connection, whose descriptor the callee takes with TAKE_FD()
 * and returns true, or leaves and returns false: then it is not what was wanted, and trying goes
 * on more slowly. Else -errno and *err; the value returned does not matter. It must not free r.
 */
typedef bool redial_fn(int ret, struct attempt_result *result, const struct err *err, void *arg);

/* NULL: no memory. */
struct redial *redial_new(struct loop *loop, const struct redial_config *cfg, redial_fn *fn,
			  void *arg);
void redial_free(struct redial *r); /* accepts NULL */

/*
 * Tries until `n` connections were taken; 0 stops. `again`: the last success did not last, so go
 * on with the delays where they were. `beside`: other connections of the device are alive, so only
 * the address that answered last is dialled: several connections are safe with one server only.
 */
void redial_want(struct redial *r, unsigned n, bool again, bool beside);

/* The address that answered last goes first; one that is not known is passed over. */
void redial_prefer(struct redial *r, const struct address *peer);

/*
 * From now on another server is dialled (its endpoint and helpers are borrowed, its addresses
 * copied; none: resolve): at once, or after the next delay. What is under way is dropped. Not from
 * within the redial_fn.
 */
void redial_aim(struct redial *r, const struct endpoint *endpoint, struct helpers *helpers,
		const struct address_list *addresses, bool at_once);

/* Something has changed (the network, the server's socket, the user says so): try at once. */
void redial_now(struct redial *r);

/* True if a server's host has accepted a connection and the handshake is under way. */
bool redial_connected(const struct redial *r);

/* The addresses it knows, the one that answered last first. Borrowed; empty: to be resolved. */
const struct address_list *redial_addresses(const struct redial *r);

/* Monotonic ms of the next try; 0: none is planned. */
uint64_t redial_next(const struct redial *r);

#endif
