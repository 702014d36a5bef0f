/* SPDX-License-Identifier: MIT */
#include "supervise/queue.h"

#include <assert.h>
#include <string.h>

static void remove_at(struct event *list, size_t *n, size_t i)
{
	(*n)--;
	memmove(&list[i], &list[i + 1], (*n - i) * sizeof(list[0]));
}

/* The index of the first event of that kind at or after `from`; n: there is none. */
static size_t find(const struct event *list, size_t n, enum fsm_event event, size_t from)
{
	while (from < n && list[from].event != event)
		from++;
	return from < n ? from : n;
}

static void make_room(struct queue *q)
{
	for (size_t i = 0; i < q->n; i++) {
		if (find(q->item, q->n, q->item[i].event, i + 1) == q->n)
			continue;
		remove_at(q->item, &q->n, i);
		return;
	}
}

void queue_post(struct queue *q, enum fsm_event event, const struct err *err)
{
	assert(event < FSM_EVENTS);
	if (q->n == QUEUE_MAX)
		make_room(q);
	q->item[q->n].event = event;
	if (err)
		q->item[q->n].err = *err;
	else
		err_set(&q->item[q->n].err, ERR_FAILED, 0, "%s", "");
	q->n++;
}

bool queue_take(struct queue *q, struct event *ret_event)
{
	if (q->n == 0)
		return false;
	*ret_event = q->item[0];
	remove_at(q->item, &q->n, 0);
	return true;
}

void queue_defer(struct queue *q, const struct event *e)
{
	size_t i = find(q->deferred, q->n_deferred, e->event, 0);

	if (i < q->n_deferred)
		remove_at(q->deferred, &q->n_deferred, i);
	q->deferred[q->n_deferred++] = *e;
}

bool queue_has_deferred(const struct queue *q, enum fsm_event event)
{
	return find(q->deferred, q->n_deferred, event, 0) < q->n_deferred;
}

void queue_recall(struct queue *q)
{
	for (size_t i = 0; i < q->n_deferred; i++)
		queue_post(q, q->deferred[i].event, &q->deferred[i].err);
	q->n_deferred = 0;
}

static void forget(struct event *list, size_t *n, enum fsm_event event)
{
	size_t i;

	while ((i = find(list, *n, event, 0)) < *n)
		remove_at(list, n, i);
}

void queue_forget(struct queue *q, enum fsm_event event)
{
	forget(q->item, &q->n, event);
	forget(q->deferred, &q->n_deferred, event);
}
