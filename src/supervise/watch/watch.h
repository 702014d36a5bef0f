/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: is each connection of the device alive, is the device still ours, does
 * its server complete requests, has the machine slept? Owns the connections, the way by which the
 * kernel tells of them, and the timers of its looks. It cuts what is dead, and nothing else.
 * Nothing blocks.
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
};

/* Called from the loop, or from watch_look(). None of them may free the part. */
struct watch_events {
	/*
	 * The device is ours, and fewer connections are alive than it should have. While none is,
	 * this is said again and again, because it shows when the device is taken away.
	 */
	void (*died)(unsigned alive, void *arg);
	/* The device is no longer ours. */
	void (*gone)(void *arg);
	/* A message of the kernel may be lost, or nothing is completed: is anything dead that
	 * nobody can look at? */
	void (*doubt)(void *arg);
	/* The machine was suspended; what has died meanwhile was looked for. */
	void (*slept)(uint64_t ms, void *arg);
	/*
	 * A look at every connection is over; `quiet`: each of them was heard of. True: somebody
	 * waits for a moment without requests, so that the next look is to come soon.
	 */
	bool (*looked)(bool quiet, void *arg);
	/* The status is not what it was. */
	void (*changed)(void *arg);
};

/* NULL: no memory. env, and what it points to, is borrowed. */
struct watch *watch_new(const struct part_env *env, const struct watch_config *cfg,
			const struct watch_events *events, void *arg);
void watch_free(struct watch *w); /* accepts NULL; closes our descriptors of the connections */

/* The connections: borrowed, to add to them, to end them, and to ask. */
struct links *watch_links(const struct watch *w);

/* The kernel is open: from now on it is listened to. 0 or -errno. */
int watch_listen(struct watch *w);

/* The kernel is about to be closed. Accepts NULL. */
void watch_stop_listening(struct watch *w);

/* Begins to look from time to time, or begins anew after a change; `soon`: within a second. */
void watch_start(struct watch *w, bool soon);
/* No look any more until watch_start(): the device is being detached. */
void watch_pause(struct watch *w);
/* Looks whether the device is ours and has all its connections; unless paused. */
void watch_look(struct watch *w);

/* Why the last connection died: a clause; "": none did. */
const char *watch_cause(const struct watch *w);
/* The same for those that had died before the device was taken over. */
void watch_set_cause(struct watch *w, const char *why);

/* A server holds requests and completes none. */
bool watch_is_stalled(const struct watch *w);
/* When requests were last seen not to be counted, in monotonic ms; 0: never. */
uint64_t watch_uncounted_at(const struct watch *w);

/* The device is new, and nobody has written to it. */
void watch_note_writes(struct watch *w);
/* A flush has nothing to make safe: nothing was written, or the server takes no flush. */
bool watch_is_clean(const struct watch *w);

/* What the status says of the connections and of the requests. */
void watch_report(const struct watch *w, struct state *ret_state);

#endif
