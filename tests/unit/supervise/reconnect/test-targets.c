/* SPDX-License-Identifier: MIT */
/* supervise/reconnect/targets.c: which server is tried when, and which must be fenced off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervise/reconnect/targets.h"

static struct targets t;

static void make(size_t n, enum failback failback)
{
	static struct endpoint endpoint[TARGETS_MAX];
	const struct endpoint *list[TARGETS_MAX];

	for (size_t i = 0; i < n; i++)
		list[i] = &endpoint[i];
	targets_init(&t, list, n, failback);
}

/* Runs the rest of the round; each one fails, and the last failure begins another round. */
static void round_is(const char *order)
{
	for (size_t i = 0; order[i]; i++) {
		assert_int_equal(t.aimed, order[i] - '0');
		targets_failed(&t, false);
		assert_int_equal(targets_next(&t), order[i + 1] == '\0');
	}
}

static void use(void)
{
	targets_hand_over(&t);
	targets_healed(&t);
}

/* Goes on until that one is aimed at. */
static void use_number(size_t number)
{
	for (size_t i = 0; t.aimed != number && i < 2 * t.n; i++)
		targets_next(&t);
	assert_int_equal(t.aimed, number);
	use();
}

static void test_order_given(void **state)
{
	(void)state;
	make(3, FAILBACK_NEVER);
	targets_begin(&t);
	round_is("012");
	round_is("012");
	round_is("012");
}

static void test_alone(void **state)
{
	(void)state;
	make(1, FAILBACK_NEVER);
	targets_begin(&t);
	round_is("0");
	round_is("0");
	assert_int_equal(targets_to_fence(&t), 0);
}

static void test_healthiest_first(void **state)
{
	(void)state;
	make(4, FAILBACK_NEVER);
	targets_begin(&t);
	targets_next(&t);
	targets_failed(&t, false); /* 1 once */
	targets_next(&t);
	targets_failed(&t, true); /* 2 is wrong */
	use_number(3);
	targets_begin(&t);
	round_is("3012");
	/* Each has failed once more; 2 is at the bound, and success resets 1. */
	targets_begin(&t);
	use_number(1);
	targets_begin(&t);
	use_number(0);
	targets_begin(&t);
	round_is("0132");
}

static void test_failback(void **state)
{
	(void)state;
	make(3, FAILBACK_AT_LOSS);
	targets_begin(&t);
	use_number(2);
	targets_begin(&t);
	round_is("021");
	make(3, FAILBACK_NEVER);
	targets_begin(&t);
	use_number(2);
	targets_begin(&t);
	round_is("201");
}

static void test_fence(void **state)
{
	(void)state;
	make(3, FAILBACK_NEVER);
	targets_begin(&t);
	assert_int_equal(targets_to_fence(&t), 0); /* the same server */
	targets_next(&t);
	assert_int_equal(targets_to_fence(&t), 1 << 0);
	targets_next(&t);
	assert_int_equal(targets_to_fence(&t), 1 << 0);
	targets_fenced(&t, 0);
	assert_int_equal(targets_to_fence(&t), 0);
	/* A failed hand-over may have carried a request. */
	targets_hand_over(&t);
	targets_next(&t);
	use_number(0);
	targets_next(&t);
	use_number(1);
	assert_int_equal(targets_to_fence(&t), 1 << 0 | 1 << 2);
	targets_fenced(&t, 0);
	targets_fenced(&t, 2);
	targets_begin(&t);
	assert_int_equal(t.aimed, 1);
	assert_int_equal(targets_to_fence(&t), 0);
	targets_next(&t);
	assert_int_equal(targets_to_fence(&t), 1 << 1);
}

static void test_take_over(void **state)
{
	(void)state;
	make(3, FAILBACK_NEVER);
	targets_take_over(&t, 1);
	targets_begin(&t);
	assert_int_equal(targets_to_fence(&t), 0);
	round_is("102");
	/* It is unknown which one: any of them may have old writes. */
	make(3, FAILBACK_NEVER);
	targets_take_over(&t, -1);
	targets_begin(&t);
	assert_int_equal(targets_to_fence(&t), 1 << 1 | 1 << 2);
	round_is("012");
}

/* Compares the whole URI, with any number of servers. */
static void test_find(void **state)
{
	char host[] = "a", other[] = "b", name[] = "x";
	struct endpoint e[2];
	const struct endpoint *list[] = {&e[0], &e[1]};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		endpoint_init(&e[i]);
		e[i].host = i ? other : host;
		e[i].export_name = name;
	}
	targets_init(&t, list, 2, FAILBACK_NEVER);
	assert_int_equal(targets_find(&t, "nbd://a/x"), 0);
	assert_int_equal(targets_find(&t, "nbd://b/x"), 1);
	assert_int_equal(targets_find(&t, "nbd://b/"), -1);
	assert_int_equal(targets_find(&t, ""), -1);
	targets_init(&t, list, 1, FAILBACK_NEVER);
	assert_int_equal(targets_find(&t, "nbd://b/x"), -1);
}

static void test_patience(void **state)
{
	(void)state;
	make(2, FAILBACK_NEVER);
	targets_begin(&t);
	assert_int_equal(targets_patience(&t, 10000), 2000);
	round_is("01");
	assert_int_equal(targets_patience(&t, 10000), 4000);
	round_is("01");
	assert_int_equal(targets_patience(&t, 10000), 8000);
	for (int i = 0; i < 100; i++)
		round_is("01");
	assert_int_equal(targets_patience(&t, 10000), 10000);
	assert_int_equal(targets_patience(&t, 1000), 1000);
	targets_begin(&t);
	assert_int_equal(targets_patience(&t, 10000), 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order_given),
	    cmocka_unit_test(test_alone),
	    cmocka_unit_test(test_healthiest_first),
	    cmocka_unit_test(test_failback),
	    cmocka_unit_test(test_fence),
	    cmocka_unit_test(test_take_over),
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
