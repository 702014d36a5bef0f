/* SPDX-License-Identifier: MIT */
/*
 * The events of one device, in the order in which they came. A source posts an event with an error
 * that explains it. The core takes one event at a time and completes its step. An event that cannot
 * be carried out yet is deferred; when it is recalled, it is at the end of the queue. Pure: no side
 * effects, no allocation.
 */
#ifndef SUPERVISE_QUEUE_H
#define SUPERVISE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "supervise/fsm.h"

struct event {
	enum fsm_event event;
	struct err err; /* why it happened; "": needs no explanation */
};

/* More than FSM_EVENTS, so that a full queue holds one kind of event twice. */
#define QUEUE_MAX (FSM_EVENTS + 1)

struct queue {
	struct event item[QUEUE_MAX];
	size_t n;
	struct event deferred[FSM_EVENTS]; /* at most one of each kind */
	size_t n_deferred;
};

/*
 * Appends an event; err is copied and may be NULL. A full queue drops the oldest event whose kind
 * is in it twice, so that no kind of event is ever lost.
 */
void queue_post(struct queue *q, enum fsm_event event, const struct err *err);

/* Takes the oldest event; false: there is none. */
bool queue_take(struct queue *q, struct event *ret_event);

/* Defers an event that was taken; it replaces a deferred one of the same kind. */
void queue_defer(struct queue *q, const struct event *e);

/* True if an event of that kind is deferred. */
bool queue_has_deferred(const struct queue *q, enum fsm_event event);

/* Appends all deferred events in their order. */
void queue_recall(struct queue *q);

/* Forgets each event of that kind, deferred or not. */
void queue_forget(struct queue *q, enum fsm_event event);

#endif
