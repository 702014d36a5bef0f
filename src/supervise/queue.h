/* SPDX-License-Identifier: MIT */
/*
 * The events of one device, in the order in which they came. A source posts an event with what is
 * to be said about it; the core takes one at a time and carries its step out to the end. An event
 * that cannot be carried out yet is deferred, and stands at the end again once it is recalled.
 * Pure: no side effects, no memory.
 */
#ifndef SUPERVISE_QUEUE_H
#define SUPERVISE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "supervise/fsm.h"

struct event {
	enum fsm_event event;
	struct err err; /* why it happened; "": it speaks for itself */
};

/* So many events of FSM_EVENTS kinds are never all different. */
#define QUEUE_MAX (FSM_EVENTS + 1)

struct queue {
	struct event item[QUEUE_MAX];
	size_t n;
	struct event deferred[FSM_EVENTS]; /* at most one of each kind */
	size_t n_deferred;
};

/*
 * Appends an event; err is copied and may be NULL. A full queue forgets the oldest event that
 * stands in it a second time, so that no kind of event is ever lost.
 */
void queue_post(struct queue *q, enum fsm_event event, const struct err *err);

/* Takes the oldest event; false: there is none. */
bool queue_take(struct queue *q, struct event *ret_event);

/* Puts an event aside that was taken; it replaces one of its kind that was put aside before. */
void queue_defer(struct queue *q, const struct event *e);

/* True if an event of that kind was put aside. */
bool queue_has_deferred(const struct queue *q, enum fsm_event event);

/* Appends everything that was put aside, in that order. */
void queue_recall(struct queue *q);

/* Forgets each event of that kind, deferred or not. */
void queue_forget(struct queue *q, enum fsm_event event);

#endif
