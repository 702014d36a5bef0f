/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: looks for the server in an outage, and decides whether the server that
 * answers may serve the device: it needs the same owner of the socket, the same export, the same
 * content, and with several servers (--failover) a predecessor that can no longer write. Owns the
 * dialling, the signs that a server may be back, the order of the servers, and the command that
 * fences one off.
 */
#ifndef SUPERVISE_RECONNECT_RECONNECT_H
#define SUPERVISE_RECONNECT_RECONNECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/backoff.h"
#include "base/digest.h"
#include "base/ids.h"
#include "supervise/part.h"
#include "supervise/reconnect/targets.h"
#include "transport/attempt.h"

struct reconnect;
struct state;

/* Everything here is borrowed. */
struct reconnect_config {
	const struct endpoint *endpoint; /* the server that the device is attached to */
	const struct endpoint *failover; /* further servers of the export */
	size_t n_failover;		 /* up to TARGETS_MAX - 1 */
	enum failback failback;
	const char *fence;	 /* a command, see fence.h; NULL: none */
	bool failover_unfenced;	 /* no fence is needed */
	uint32_t same_content;	 /* bytes to compare before a connection is used; 0: none;
				    IDS_SAMPLE: the identifiers on the disk */
	unsigned accept;	 /* enum identity_accept */
	const char *source;	 /* NULL: any */
	const uid_t *peer_uid;	 /* the user who must own the server; NULL: any user */
	struct helpers *helpers; /* of the first server */
	struct backoff_config backoff;
	uint32_t connect_timeout_ms, peer_timeout_ms;
	bool follow_dns; /* resolve the name again when redialling */
	bool swap;	 /* watches for signs of a server all the time */
};

/* The present connections of the device. */
struct reconnect_view {
	bool dials;	 /* a server is wanted */
	bool has_room;	 /* for one more new connection */
	bool busy;	 /* the kernel works on the connections */
	unsigned wanted; /* connections the device has been attached with */
	unsigned alive;	 /* of these */
	unsigned ready;	 /* new ones that the kernel does not have yet */
};

/* Called from the loop. None of them may free the part. */
struct reconnect_events {
	/*
	 * A connection that may serve the device, whose descriptor the callee takes. `size` is
	 * what the device should have, when each of its connections knows that.
	 */
	void (*found)(struct attempt_result *result, uint64_t size, void *arg);
	/* The server that answers does not have the attached export: the user must act. */
	void (*refused)(const struct err *err, void *arg);
	/* The server that answers has another disk: only the user may go on with it. */
	void (*differs)(const struct err *err, void *arg);
	/* The status has changed. */
	void (*changed)(void *arg);
	/* Adds to an error what is known of the server that was started for the device. */
	void (*explain)(struct err *err, void *arg);
	void (*look)(struct reconnect_view *ret_view, void *arg);
	/* Makes the helpers for handshakes with another server. 0 or -errno with *err. */
	int (*make_helpers)(const struct endpoint *e, struct helpers **ret_helpers, struct err *err,
			    void *arg);
};

/* 0 or -errno with *err. env, and what it points to, is borrowed. */
int reconnect_new(const struct part_env *env, const struct reconnect_config *cfg,
		  const struct reconnect_events *events, void *arg,
		  struct reconnect **ret_reconnect, struct err *err);
void reconnect_free(struct reconnect *r); /* accepts NULL */

/* The device is detached: see helpers_end_relays(). Accepts NULL. */
void reconnect_end_relays(struct reconnect *r);

/* --- the device is attached, or taken over ---------------------------------------------------- */

/*
 * The plan is made: checks that the device may have several servers, and that its content can be
 * compared.
 */
int reconnect_check(const struct reconnect *r, struct err *err);
/* Sets the user ID of the server at the Unix socket in use; -1: not known. */
void reconnect_set_owner(struct reconnect *r, uid_t unix_uid);
/* Sets what is known of the server: its addresses, and its content (NULL: nothing). */
int reconnect_know(struct reconnect *r, const struct address_list *addresses,
		   const struct digest *digest, const struct ids *ids, struct err *err);
/*
 * The same after a takeover. `state` is the former supervisor's (NULL: none). 0, or -errno with
 * *err: the device is not connected to one of the servers given.
 */
int reconnect_adopt(struct reconnect *r, const struct state *state,
		    const struct address_list *addresses, struct err *err);
/* The same question without its consequences. */
int reconnect_may_adopt(struct reconnect *r, const struct state *state, struct err *err);
/*
 * Every connection is alive. If the identifiers on the device may have changed, they are read when
 * it rests. True: that is awaited, so the next call should come soon.
 */
bool reconnect_look_when_idle(struct reconnect *r);
/*
 * A connection that was made otherwise: checks its content. `sample`, `sample_size`: what it must
 * be asked for (see struct attempt_config). 0 or -errno with *err.
 */
int reconnect_check_content(struct reconnect *r, const struct attempt_result *result,
			    struct err *err);
void reconnect_sample(const struct reconnect *r, uint32_t *ret_sample, uint64_t *ret_size);
/* Sets the address to dial first; an unknown one is ignored. */
void reconnect_prefer(struct reconnect *r, const struct address *peer);

/* --- an outage -------------------------------------------------------------------------------- */

/*
 * Makes `n` connections. `again`: the last success did not last. `beside`: other connections of the
 * device are alive, or about to be. False: nothing may be dialled now.
 */
bool reconnect_start(struct reconnect *r, unsigned n, bool again, bool beside);
/* Listens for signs that the server may be back. */
void reconnect_listen(struct reconnect *r);
/* Reads the keys of all servers, and from now on opens no file for them. */
void reconnect_keep_files(struct reconnect *r);
/* Dials at once, if a connection is wanted. */
void reconnect_hurry(struct reconnect *r, const char *why);
/* Accepts further changes in this outage: bits of enum identity_accept. */
void reconnect_accept(struct reconnect *r, unsigned accept);
/*
 * True if that message about the server that is dialled is to be logged (base/news.h), which counts
 * it.
 */
bool reconnect_is_news(struct reconnect *r, const struct err *err);
/* No more dialling: the device is being detached. */
void reconnect_stop(struct reconnect *r);

/* The new connections are handed to the kernel: from now on their server serves. */
void reconnect_hand_over(struct reconnect *r);
/*
 * The kernel has declined them: its connections are alive and lead to the earlier server. False:
 * the connections that wait lead to another server.
 */
bool reconnect_declined(struct reconnect *r);
/* A hand-over is over: the kernel has `taken` of its connections. Tells whether any is alive. */
void reconnect_handed_over(struct reconnect *r, unsigned taken, bool alive);
/*
 * A connection is alive, and `missing` connections are not. If `again`, or if the kernel has taken
 * no new connection since the last call, the delays between attempts go on growing; otherwise they
 * begin anew. Without a new connection, what the user has accepted stays accepted while one is
 * missing.
 */
void reconnect_recovered(struct reconnect *r, unsigned missing, bool again, bool beside);

/* --- the server in use ------------------------------------------------------------------------ */

const struct endpoint *reconnect_endpoint(const struct reconnect *r);
struct helpers *reconnect_helpers(const struct reconnect *r);
/* The addresses, the one that answered last first; empty: must be resolved. */
const struct address_list *reconnect_addresses(const struct reconnect *r);
unsigned reconnect_accepted(const struct reconnect *r); /* enum identity_accept */
uid_t reconnect_unix_uid(const struct reconnect *r);	/* -1: not known */
/* True if a server's host has accepted a connection and the handshake is under way. */
bool reconnect_is_greeting(const struct reconnect *r);

/* The error of the last attempt; "": it succeeded, or there was none. Accepts NULL. */
const char *reconnect_last_error(const struct reconnect *r);
void reconnect_report(const struct reconnect *r, struct state *ret_state);

#endif
