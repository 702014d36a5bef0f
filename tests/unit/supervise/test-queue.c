/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "supervise/queue.h"

static void takes(struct queue *q, enum fsm_event event, const char *message)
{
	struct event e;

	assert_true(queue_take(q, &e));
	assert_int_equal(e.event, event);
	assert_string_equal(e.err.message, message);
}

static void is_empty(struct queue *q)
{
	struct event e;

	assert_false(queue_take(q, &e));
}

static void test_order(void **state)
{
	struct queue q = {.n = 0};
	struct err err;

	(void)state;
	is_empty(&q);
	err_set(&err, ERR_BUSY, 1, "somebody uses it");
	queue_post(&q, FSM_KEPT, &err);
	err_set(&err, ERR_FAILED, 1, "overwritten");
	queue_post(&q, FSM_LINKS_DEAD, NULL);
	queue_post(&q, FSM_KEPT, NULL);
	takes(&q, FSM_KEPT, "somebody uses it");
	takes(&q, FSM_LINKS_DEAD, "");
	takes(&q, FSM_KEPT, "");
	is_empty(&q);
}

static void test_posted_while_taken(void **state)
{
	struct queue q = {.n = 0};

	(void)state;
	queue_post(&q, FSM_LINKS_DEAD, NULL);
	takes(&q, FSM_LINKS_DEAD, "");
	/* Events that an action posts come after earlier ones. */
	queue_post(&q, FSM_EXPIRE, NULL);
	queue_post(&q, FSM_REDIALLED, NULL);
	takes(&q, FSM_EXPIRE, "");
	queue_post(&q, FSM_HEALED, NULL);
	takes(&q, FSM_REDIALLED, "");
	takes(&q, FSM_HEALED, "");
	is_empty(&q);
}

static void test_deferred(void **state)
{
	struct queue q = {.n = 0};
	struct event e;
	struct err err;

	(void)state;
	err_set(&err, ERR_FAILED, 0, "first");
	queue_post(&q, FSM_TERMINATE, &err);
	assert_true(queue_take(&q, &e));
	assert_false(queue_has_deferred(&q, FSM_TERMINATE));
	queue_defer(&q, &e);
	assert_true(queue_has_deferred(&q, FSM_TERMINATE));
	assert_false(queue_has_deferred(&q, FSM_EXPIRE));
	is_empty(&q);

	/* At most one of each kind, the newest one. */
	err_set(&err, ERR_FAILED, 0, "second");
	e.err = err;
	queue_defer(&q, &e);
	e.event = FSM_EXPIRE;
	queue_defer(&q, &e);
	assert_int_equal(q.n_deferred, 2);

	/* They come after events that were posted meanwhile. */
	queue_post(&q, FSM_CONFIGURED, NULL);
	queue_recall(&q);
	assert_false(queue_has_deferred(&q, FSM_TERMINATE));
	takes(&q, FSM_CONFIGURED, "");
	takes(&q, FSM_TERMINATE, "second");
	takes(&q, FSM_EXPIRE, "second");
	is_empty(&q);
	queue_recall(&q);
	is_empty(&q);
}

static void test_forgotten(void **state)
{
	struct queue q = {.n = 0};
	struct event e = {.event = FSM_EXPIRE};

	(void)state;
	queue_defer(&q, &e);
	queue_post(&q, FSM_EXPIRE, NULL);
	queue_post(&q, FSM_DETACH, NULL);
	queue_post(&q, FSM_EXPIRE, NULL);
	queue_forget(&q, FSM_EXPIRE);
	queue_recall(&q);
	takes(&q, FSM_DETACH, "");
	is_empty(&q);
}

/* A source that never stops does not displace other events, and its newest event is kept. */
static void test_full(void **state)
{
	struct queue q = {.n = 0};
	struct event e;
	size_t n = 0;
	struct err err;

	(void)state;
	for (unsigned event = 0; event < FSM_EVENTS; event++)
		queue_post(&q, (enum fsm_event)event, NULL);
	for (unsigned i = 0; i < 100; i++) {
		err_set(&err, ERR_RETRY, 1, "%u", i);
		queue_post(&q, FSM_CHANGED, &err);
	}
	assert_int_equal(q.n, QUEUE_MAX);
	for (unsigned event = 0; event < FSM_EVENTS; event++)
		if (event != FSM_CHANGED)
			takes(&q, (enum fsm_event)event, "");
	while (queue_take(&q, &e)) {
		assert_int_equal(e.event, FSM_CHANGED);
		n++;
	}
	assert_int_equal(n, 2);
	assert_string_equal(e.err.message, "99");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),    cmocka_unit_test(test_posted_while_taken),
	    cmocka_unit_test(test_deferred), cmocka_unit_test(test_forgotten),
	    cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
