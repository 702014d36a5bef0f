/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: is each connection of the device alive, is the device still ours, does
 * its server complete requests, has the machine slept? Owns the connections, the kernel's events
 * about them, and the timers of its checks. It cuts only dead connections. Nothing blocks.
 */
#ifndef SUPERVISE_WATCH_WATCH_H
#define SUPERVISE_WATCH_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "supervise/part.h"
#include "supervise/watch/links.h"

struct watch;
struct state;

struct watch_config {
	uint32_t peer_timeout_ms; /* a peer that acknowledges nothing for this time is dead */
	bool frugal;		  /* --swap: take no memory during an outage */
	struct relays *relays;	  /* what is known of relays; borrowed; or NULL */
};

/* Called from the loop, or from watch_look(). None of them may free the part. */
struct watch_events {
	/*
	 * The device is ours, and fewer connections are alive than it should have. While none is
	 * alive this is repeated, so that the core notices when another program has detached the
	 * device.
	 */
	void (*died)(unsigned alive, void *arg);
	/* The device is no longer ours. */
	void (*gone)(void *arg);
	/*
	 * A message of the kernel may be lost, or no request is completed: a connection that cannot
	 * be examined may be dead.
	 */
	void (*doubt)(void *arg);
	/* The machine was suspended; dead connections have been searched for. */
	void (*slept)(uint64_t ms, void *arg);
	/*
	 * A check of every connection is over; `quiet`: no peer is silent. Return true if the next
	 * check must come soon, because a moment without requests is awaited.
	 */
	bool (*looked)(bool quiet, void *arg);
	/* The status has changed. */
	void (*changed)(void *arg);
};

/* NULL: no memory. env, and what it points to, is borrowed. */
struct watch *watch_new(const struct part_env *env, const struct watch_config *cfg,
			const struct watch_events *events, void *arg);
void watch_free(struct watch *w); /* accepts NULL; closes our descriptors of the connections */

/* The connections, borrowed: to add and end connections and to query them. */
struct links *watch_links(const struct watch *w);

/* The kernel is open: from now on its events are handled. 0 or -errno. */
int watch_listen(struct watch *w);

/* The kernel is about to be closed. Accepts NULL. */
void watch_stop_listening(struct watch *w);

/* Starts periodic checks, or starts them again after a change; `soon`: within a second. */
void watch_start(struct watch *w, bool soon);
/* Stops the checks until watch_start(): the device is being detached. */
void watch_pause(struct watch *w);
/* Checks that the device is ours and has all its connections, unless paused. */
void watch_look(struct watch *w);

/* The reason why the last connection died, a clause; "": none has died. */
const char *watch_cause(const struct watch *w);
/* Sets it for connections that had died before the device was taken over. */
void watch_set_cause(struct watch *w, const char *why);

/* True if the server holds requests and completes none. */
bool watch_is_stalled(const struct watch *w);
/* When requests were last seen not to be counted, in monotonic ms; 0: never. */
uint64_t watch_uncounted_at(const struct watch *w);

/* The device is new, and nothing has been written to it. */
void watch_note_writes(struct watch *w);
/* True if no flush is needed: nothing was written, or the server has no flush. */
bool watch_is_clean(const struct watch *w);

/* Fills the status of the connections and of the requests. */
void watch_report(const struct watch *w, struct state *ret_state);

#endif
