/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: gives new sockets to the kernel once the old connections have settled,
 * makes sure that it took them, and makes the kernel fail what waits when nothing else is left to
 * do. Owns the new sockets, and the one job that may be under way for them on the helper thread.
 */
#ifndef SUPERVISE_HANDOVER_HANDOVER_H
#define SUPERVISE_HANDOVER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "supervise/part.h"
#include "supervise/watch/links.h"

struct handover;
struct state;

struct handover_config {
	struct links *links; /* borrowed: what the kernel took is added to them */
	/* What the kernel is told when its timeouts have to be set anew. */
	uint64_t timeout, dead_timeout; /* seconds */
	uint32_t io_timeout;		/* ms, for one connection; 0: leave it */
	uint32_t io_timeout_several;	/* ms, for several */
};

/* Called from the loop. None of them may free the part. */
struct handover_events {
	/*
	 * The kernel is about to get the sockets that stood ready: what a supervisor that takes
	 * over in this moment must know has to be on disk before this returns.
	 */
	void (*begins)(void *arg);
	/*
	 * A hand-over is over: so many of its sockets are connections now, and watched. The result
	 * counts whatever has happened since it began. `declined`: the kernel knew of no dead
	 * connection.
	 */
	void (*ended)(unsigned taken, bool declined, void *arg);
	/* The kernel was made to fail what waits, and sockets may be handed over again. */
	void (*idle)(void *arg);
	/* The device is no longer ours. */
	void (*gone)(void *arg);
	/* Is a server being greeted? A host that answers can be asked about its old connections. */
	bool (*is_greeting)(void *arg);
};

/* NULL: no memory. env, and what it points to, is borrowed. */
struct handover *handover_new(const struct part_env *env, const struct handover_config *cfg,
			      const struct handover_events *events, void *arg);
/* Accepts NULL; closes the sockets that stand ready. No job may be under way. */
void handover_free(struct handover *h);

/* Sockets that stand ready to be handed over, and those on their way into the kernel. */
bool handover_has_room(const struct handover *h);
void handover_add(struct handover *h, int fd); /* there is room; fd becomes the part's */
unsigned handover_ready(const struct handover *h);
unsigned handover_under_way(const struct handover *h);
/* Closes those that stand ready, but `most`. */
void handover_keep(struct handover *h, unsigned most);

/*
 * Hands over what stands ready as soon as the old connections have settled and the job before it is
 * done; `ended` follows, unless handover_stop() or handover_fail_io() comes first.
 */
void handover_start(struct handover *h);

/* Looks from time to time whether the old connections have settled, while no new one is ready. */
void handover_attend(struct handover *h);

/* No longer: every connection is alive. */
void handover_rest(struct handover *h);

/* The device is being detached: hands nothing over, and closes what stands ready. A job that is
 * under way goes on. */
void handover_stop(struct handover *h);

/* Makes the kernel fail what waits, and what comes until a new connection is taken. */
void handover_fail_io(struct handover *h);
/* The dead timeout is over: what is not known of the end of old connections is waited for no more.
 */
void handover_release(struct handover *h);
bool handover_fails_io(const struct handover *h);

/* The kernel's timeouts may not be those of the configuration: the next hand-over sets them. */
void handover_restore(struct handover *h);

/* The helper thread has a job of the part: is it a hand-over? */
bool handover_is_busy(const struct handover *h);
bool handover_is_handing_over(const struct handover *h);

/* The last hand-over took nothing, though connections are missing. */
bool handover_was_declined(const struct handover *h);

/* Asks the kernel whether somebody else disconnected the device while it is in use. */
void handover_check(struct handover *h);

/* Looks at the device after links_renew(); true: the server held no request at the end. */
bool handover_ended_clean(struct handover *h);

/* What the status says of it. */
void handover_report(const struct handover *h, struct state *ret_state);

#endif
