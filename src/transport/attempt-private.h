/* SPDX-License-Identifier: MIT */
/* An attempt, for attempt-new.c, which makes it, and attempt.c, which carries it out. */
#ifndef TRANSPORT_ATTEMPT_PRIVATE_H
#define TRANSPORT_ATTEMPT_PRIVATE_H

#include "transport/attempt.h"
#include "transport/candidates.h"
#include "transport/dial.h"
#include "transport/handshake.h"
#include "transport/lookup.h"
#include "transport/sockopts.h"
#include "transport/tls-files.h"

enum attempt_phase {
	PHASE_RESOLVE,
	PHASE_CONNECT,
	PHASE_KEYS, /* the server has accepted the connection */
	PHASE_HANDSHAKE,
	PHASE_DONE,
};

struct attempt {
	struct loop *loop;
	const struct endpoint *endpoint;
	enum nego_goal goal;
	uint32_t timeout_ms, peer_timeout_ms;
	bool thrifty, patient;
	uint32_t sample;
	uint64_t sample_size;
	uint64_t deadline;
	attempt_done_fn *done;
	attempt_listed_fn *listed;
	void *arg;

	enum attempt_phase phase;
	bool connected; /* the handshake of this connection has begun */
	struct source source;
	char what[ADDRESS_TEXT_MAX]; /* the endpoint, for people */
	bool named;		     /* that is its name, and stands for each address */
	struct helpers *helpers;
	struct helpers *own_helpers; /* NULL if they are the caller's */
	struct helper *worker;	     /* for the handshake; NULL: one that waits is taken then */
	struct tls_job tls;
	bool relay;
	int kernel_end;	      /* of the socket pair with the relay; -1: none */
	struct tls_wait keys; /* for the certificates and keys */
	struct loop_timer *deadline_timer, *start_timer, *share_timer;
	struct lookup *lookup;
	struct dial *dial;
	struct handshake *handshake;

	struct candidates candidates;
	uint64_t share_ms; /* of the time, for the handshake at this address */
	int first_ret;	   /* of the first failure, or 0, with first_err */
	struct err first_err;
	bool owned; /* --peer-uid: only peer_uid may serve */
	uid_t peer_uid;
	bool listing; /* the caller has been told of an export */

	struct attempt_result result;
	struct err err;
};

/* The kernel will get a socket that a relay serves, so that it needs no TLS. */
static inline void attempt_use_relay(struct attempt *a)
{
	a->relay = true;
	a->tls.offload = false;
}

/*
 * attempt.c: begins, from the loop. 0 or -errno with *err (SYSTEM: no memory). The caller frees the
 * attempt in either case.
 */
int attempt_start(struct attempt *a, struct err *err);

#endif
