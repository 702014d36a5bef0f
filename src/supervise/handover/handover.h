/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: hands new sockets to the kernel once the old connections have settled,
 * makes sure that it accepted them, and makes the kernel fail waiting requests as the last resort.
 * Owns the new sockets, and the single job for them on the helper thread.
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
	struct links *links; /* borrowed: accepted sockets are added to them */
	/* The values for the kernel when its timeouts must be set again. */
	uint64_t timeout, dead_timeout; /* seconds */
	uint32_t io_timeout;		/* ms, for one connection; 0: leave it */
	uint32_t io_timeout_several;	/* ms, for several */
};

/* Called from the loop. None of them may free the part. */
struct handover_events {
	/*
	 * The kernel is about to get the ready sockets: before this returns, the state file must
	 * have everything that a supervisor needs that takes over at this moment.
	 */
	void (*begins)(void *arg);
	/*
	 * A hand-over is over: `taken` of its sockets are connections now, and watched. The result
	 * counts, whatever has happened since it began. `declined`: the kernel knew of no dead
	 * connection.
	 */
	void (*ended)(unsigned taken, bool declined, void *arg);
	/*
	 * The job that fails I/O is done, with or without success: sockets may be handed over
	 * again.
	 */
	void (*idle)(void *arg);
	/* The device is no longer ours. */
	void (*gone)(void *arg);
	/* Is a handshake under way? A host that answers can be asked about its old connections. */
	bool (*is_greeting)(void *arg);
};

/* NULL: no memory. env, and what it points to, is borrowed. */
struct handover *handover_new(const struct part_env *env, const struct handover_config *cfg,
			      const struct handover_events *events, void *arg);
/* Accepts NULL; closes the ready sockets. No job may be under way. */
void handover_free(struct handover *h);

/* The number of sockets that are ready, and of those that are being handed over. */
bool handover_has_room(const struct handover *h);
void handover_add(struct handover *h, int fd); /* there must be room; the part owns fd then */
unsigned handover_ready(const struct handover *h);
unsigned handover_under_way(const struct handover *h);
/* The sockets that are being handed over, borrowed; fds has room for KERNEL_CONNECTIONS_MAX. */
size_t handover_fds(const struct handover *h, int *fds);
/* False: each of these has ended, so the kernel is offered none of them. */
bool handover_may_offer(const struct handover *h);
/* Closes ready sockets until at most `most` are left. */
void handover_keep(struct handover *h, unsigned most);

/*
 * Hands over the ready sockets as soon as the old connections have settled and the previous job is
 * done; `ended` follows, unless handover_stop() or handover_fail_io() comes first.
 */
void handover_start(struct handover *h);

/* Checks periodically whether the old connections have settled, while no new one is ready. */
void handover_attend(struct handover *h);

/* Stops that: every connection is alive. */
void handover_rest(struct handover *h);

/*
 * The device is being detached: hands nothing over and closes the ready sockets. A job that is
 * under way goes on.
 */
void handover_stop(struct handover *h);

/*
 * Makes the kernel fail waiting requests, and new ones until it accepts a new connection. If the
 * kernel cannot be told, the part tries again each second, until handover_start() or
 * handover_stop().
 */
void handover_fail_io(struct handover *h);
/* The dead timeout is over: the wait for a proof that old connections have ended stops. */
void handover_release(struct handover *h);
bool handover_fails_io(const struct handover *h);

/* The kernel's timeouts may differ from the configuration: the next hand-over sets them. */
void handover_restore(struct handover *h);

/* True if the helper thread has a job of the part, and it is a hand-over. */
bool handover_is_busy(const struct handover *h);
bool handover_is_handing_over(const struct handover *h);

/* True if no socket of the last hand-over was accepted, though connections are missing. */
bool handover_was_declined(const struct handover *h);

/* Asks the kernel whether another program disconnected the device while it is in use. */
void handover_check(struct handover *h);

/* Checks the device after links_renew(); true: the server held no request at the end. */
bool handover_ended_clean(struct handover *h);

/* Fills the status of this part. */
void handover_report(const struct handover *h, struct state *ret_state);

#endif
