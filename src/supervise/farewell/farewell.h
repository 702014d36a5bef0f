/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: ends the connections of a server that says that it is shutting down, so
 * that the server can end and the device meets the next one without an I/O error. Such a server
 * answers each request with NBD_ESHUTDOWN, and some wait for their last client.
 *
 * That answer is a hint, and a hostile server can give it for ever. So the connections are ended
 * only at a moment that proves that the server holds no request, as in watch/ended.h, and at most
 * once in FAREWELL_PAUSE_MS. Then it is an outage like any other. A device that never comes to rest
 * keeps its connections. Owns the timer of its looks. Nothing blocks.
 */
#ifndef SUPERVISE_FAREWELL_FAREWELL_H
#define SUPERVISE_FAREWELL_FAREWELL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/state.h"
#include "supervise/part.h"
#include "supervise/watch/links.h"

/* ms: the limit of the search for a moment without requests. */
#define FAREWELL_MOMENT_MS 10000
/* ms: from one search to the next, and from one end to the next. */
#define FAREWELL_PAUSE_MS 60000

struct farewell;

struct farewell_config {
	struct links *links;	      /* borrowed */
	uint32_t moment_ms, pause_ms; /* FAREWELL_MOMENT_MS and FAREWELL_PAUSE_MS; less in tests */
};

/* The present state of the device. Times are monotonic ms. */
struct farewell_view {
	bool leaving;	    /* the server in use says that it is shutting down */
	bool may;	    /* new connections may be made, and nobody else works on the old ones */
	uint64_t uncounted; /* when requests were last not counted; 0: never */
};

/* Called from the loop, or from farewell_look(). None of them may free the part. */
struct farewell_events {
	void (*look)(struct farewell_view *ret_view, void *arg);
	/* No request is under way: all connections must be ended at once. */
	void (*end)(void *arg);
};

/* NULL: no memory. env, and what it points to, is borrowed. */
struct farewell *farewell_new(const struct part_env *env, const struct farewell_config *cfg,
			      const struct farewell_events *events, void *arg);
void farewell_free(struct farewell *f); /* accepts NULL */

/* The kernel's log was read: searches for a moment if the server is leaving. */
void farewell_look(struct farewell *f);

/*
 * An earlier supervisor last ended connections at the time `last`, and it is `wall` now; both in
 * seconds since 1970, and 0 if it never did. The pause since then is kept.
 */
void farewell_inherit(struct farewell *f, int64_t last, int64_t wall);
/* Fills in the state file's field for the next supervisor. */
void farewell_report(const struct farewell *f, struct state *ret_state); /* accepts NULL */

#endif
