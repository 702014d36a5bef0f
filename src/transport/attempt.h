/* SPDX-License-Identifier: MIT */
/*
 * One attempt to connect to a server and negotiate an export, as an object on an event loop:
 * resolve (resolver process), connect (this process, which has the caller's rights, without reading
 * a byte), handshake (sandboxed worker process). Nothing here blocks; one deadline covers all of
 * it, and when it passes the helper processes are killed, so that no server can stretch it. If the
 * handshake fails at one address, or has used up its share of the time while other addresses are
 * left, the others are tried, one after the other; the first failure is the one reported.
 *
 * The descriptor handed back is the very one this process connected: the worker had a copy of it
 * and has ended before the result is given, so no other process holds or uses the stream.
 */
#ifndef TRANSPORT_ATTEMPT_H
#define TRANSPORT_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/loop.h"
#include "nbd/export.h"
#include "nbd/nego.h"
#include "endpoint/address.h"
#include "endpoint/endpoint.h"
#include "transport/helpers.h"
#include "worker/tls/values.h"

struct attempt_config {
	const struct endpoint *endpoint;      /* borrowed for the attempt's life */
	const char *name;		      /* what messages call the server; NULL: its address */
	const struct address_list *addresses; /* dial these, do not resolve; NULL: resolve */
	const char *source;    /* --source: an address literal or an interface name; NULL: any */
	const uid_t *peer_uid; /* --peer-uid, only with the goal GO: who must serve; NULL: any
				  user, of any machine */
	enum nego_goal goal;
	uint32_t timeout_ms;	  /* for the whole attempt; at least 1 */
	uint32_t peer_timeout_ms; /* see sockopts_socket(); 0: the default */
	bool thrifty; /* start no worker before there is a connection, because most attempts in an
			 outage fail */
	bool patient; /* a silent address has the whole time, because the caller tries the others
			 beside it */
	uint32_t sample;	 /* goal GO: see struct worker_job */
	uint64_t sample_size;	 /* ... as if it had this size; 0: its own */
	struct helpers *helpers; /* borrowed: where processes come from, ready for TLS if the
				    endpoint wants it; NULL: the attempt has its own, and
				    attempt_free() waits for their end */
};

struct attempt_result {
	int fd; /* goal GO: the connected socket, or one that a relay serves, at the start of
		   transmission, ready for the kernel (blocking, no timeouts, NODELAY, keepalive);
		   the callback owns it and takes it with TAKE_FD(), or it is closed. -1 for other
		   goals */
	struct nbd_export export;      /* goals GO and INFO */
	struct address peer;	       /* the address that answered */
	struct address_list addresses; /* all that were known (resolved or given) */
	bool relay;		       /* fd leads to a relay (relay.h), not to the server */
	struct tls_facts tls;	       /* version "" without TLS */
	uid_t unix_uid;		       /* ENDPOINT_UNIX: SO_PEERCRED uid at connect */
	bool sampled;		       /* these two are the sample's (nbd/sample.h) */
	struct digest digest;
	struct ids ids;
};

struct attempt;

/*
 * Called once, from the loop, never from attempt_new(): `ret` is 0 with *result, or -errno with
 * *err and result NULL. It may free the attempt. `listed` (goal LIST) is called for each
 * export before; it must not free the attempt.
 */
typedef void attempt_done_fn(struct attempt *a, int ret, struct attempt_result *result,
			     const struct err *err, void *arg);
typedef void attempt_listed_fn(const char *name, const char *description, void *arg);

/*
 * Starts one. 0 or -errno with *err: USAGE (--source is neither an address nor an interface, the
 * host or path is malformed, the export name too long), SYSTEM (no memory, no process, TLS for a
 * device over something else than TCP), RETRY (the interface in a link-local address is missing).
 */
int attempt_new(struct loop *loop, const struct attempt_config *cfg, attempt_done_fn *done,
		attempt_listed_fn *listed, void *arg, struct attempt **ret_attempt,
		struct err *err);

/* True once a server has accepted the connection and the handshake has begun, also afterwards. */
bool attempt_connected(const struct attempt *a);
/* True while a connection waits for certificates and keys, which are read from this machine. */
bool attempt_waits_for_keys(const struct attempt *a);

/* At any time: ends what is under way. Its processes are killed here and reaped soon. */
void attempt_free(struct attempt *a); /* accepts NULL */

#endif
