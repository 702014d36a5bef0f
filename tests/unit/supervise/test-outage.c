/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "supervise/outage.h"

static void test_counts(void **state)
{
	struct outage o;
	struct state r = {.index = 0};

	(void)state;
	outage_init(&o, OUTAGE_FOREVER);
	assert_false(outage_end(&o, 500));
	assert_true(outage_begin(&o, 1000, "the server closed the connection"));
	assert_false(outage_begin(&o, 1500, "later"));
	outage_report(&o, 3000, 100, &r);
	assert_int_equal(r.outages, 1);
	assert_int_equal(r.outage_since, 98);
	assert_int_equal(r.last_outage_ms, 2000);
	assert_int_equal(r.downtime_ms, 2000);
	assert_string_equal(r.outage_cause, "the server closed the connection");

	assert_true(outage_end(&o, 4000));
	outage_report(&o, 9000, 106, &r);
	assert_int_equal(r.outage_since, 0);
	assert_int_equal(r.last_outage_ms, 3000);
	assert_int_equal(r.downtime_ms, 3000);

	outage_slept(&o, 60000);
	outage_report(&o, 9000, 106, &r);
	assert_int_equal(r.outages, 2);
	assert_int_equal(r.last_outage_ms, 60000);
	assert_int_equal(r.downtime_ms, 63000);
	assert_string_equal(r.outage_cause, "the machine was suspended");

	/* Earlier outages count in addition to the present one. */
	assert_true(outage_begin(&o, 20000, "again"));
	outage_report(&o, 21000, 118, &r);
	assert_int_equal(r.outages, 3);
	assert_int_equal(r.last_outage_ms, 1000);
	assert_int_equal(r.downtime_ms, 64000);
}

static void test_fails_at(void **state)
{
	static const struct {
		uint64_t dead_timeout_s, since, grace_since;
		uint32_t grace;
		uint64_t fails_at;
	} table[] = {
	    {OUTAGE_FOREVER, 1000, 0, GRACE_NONE, UINT64_MAX},
	    {0, 1000, 0, GRACE_NONE, 1000},
	    {30, 1000, 0, GRACE_NONE, 31000},
	    /* The grace period begins at the loss, or at the shutdown if that came later. */
	    {OUTAGE_FOREVER, 1000, 500, 10, 11000},
	    {OUTAGE_FOREVER, 1000, 5000, 10, 15000},
	    /* It makes I/O fail earlier, never later. */
	    {30, 1000, 5000, 10, 15000},
	    {30, 1000, 5000, 60, 31000},
	    {30, 1000, 5000, 0, 5000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct outage o;

		outage_init(&o, table[i].dead_timeout_s);
		outage_set_grace(&o, table[i].grace_since, table[i].grace);
		outage_begin(&o, table[i].since, "");
		assert_int_equal(outage_fails_at(&o), table[i].fails_at);
	}
}

/* On hold only a shutdown of the machine limits the wait; the next outage has its limit again. */
static void test_hold(void **state)
{
	struct outage o;

	(void)state;
	outage_init(&o, 30);
	outage_begin(&o, 1000, "");
	outage_hold(&o);
	assert_int_equal(outage_fails_at(&o), UINT64_MAX);
	outage_begin(&o, 2000, "the same outage");
	assert_int_equal(outage_fails_at(&o), UINT64_MAX);
	outage_set_grace(&o, 5000, 10);
	assert_int_equal(outage_fails_at(&o), 15000);
	outage_set_grace(&o, 6000, GRACE_NONE);
	outage_end(&o, 7000);
	outage_begin(&o, 8000, "");
	assert_int_equal(outage_fails_at(&o), 38000);
}

/* The dead timeout counts from the beginning, whoever saw that. The server gets one more chance. */
static void test_inherited(void **state)
{
	static const struct {
		uint64_t dead_timeout_s, since, now, fails_at;
		bool held;
	} table[] = {
	    {600, 100000, 400000, 700000, false},
	    {600, 100000, 695000, 705000, false},
	    {600, 100000, 9000000, 9010000, false},
	    {5, 100000, 9000000, 9005000, false},
	    {0, 100000, 9000000, 9000000, false},
	    {OUTAGE_FOREVER, 100000, 9000000, UINT64_MAX, false},
	    {600, 100000, 400000, UINT64_MAX, true},
	    {600, 500000, 400000, 1000000, false}, /* not after now: the file is wrong */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct state r = {.index = 0};
		struct outage o;

		outage_init(&o, table[i].dead_timeout_s);
		outage_inherit(&o, table[i].since, table[i].held, 10000);
		outage_begin(&o, table[i].now, "");
		assert_int_equal(outage_fails_at(&o), table[i].fails_at);
		outage_report(&o, table[i].now, 1000, &r);
		assert_int_equal(r.outage_held, table[i].held);
		assert_int_equal(r.outage_began_ms, o.since);
		/* The next outage is one of its own. */
		outage_end(&o, 10000000);
		outage_begin(&o, 20000000, "");
		assert_int_equal(o.since, 20000000);
		if (table[i].dead_timeout_s != OUTAGE_FOREVER)
			assert_int_equal(outage_fails_at(&o),
					 20000000 + table[i].dead_timeout_s * 1000);
	}
}

static void test_fails_on(void **state)
{
	struct outage o;

	(void)state;
	outage_init(&o, 30);
	assert_int_equal(outage_fails_on(&o, 1000, 100000), 0);
	outage_begin(&o, 1000, "");
	assert_int_equal(outage_fails_on(&o, 1000, 100000), 130);
	assert_int_equal(outage_fails_on(&o, 1700, 100700), 130);
	assert_int_equal(outage_fails_on(&o, 41000, 140000), 130);
	outage_hold(&o);
	assert_int_equal(outage_fails_on(&o, 2000, 101000), 0);
	outage_set_grace(&o, 5000, 10);
	assert_int_equal(outage_fails_on(&o, 5000, 104000), 114);
}

static void test_grace_is_news(void **state)
{
	struct outage o;

	(void)state;
	outage_init(&o, OUTAGE_FOREVER);
	assert_false(outage_set_grace(&o, 1, GRACE_NONE));
	assert_true(outage_set_grace(&o, 2, 90));
	assert_false(outage_set_grace(&o, 3, 60));
	assert_true(outage_set_grace(&o, 4, GRACE_NONE));
}

/* The sixth outage in a row counts as usual, one after a long calm does not. */
static void test_usual(void **state)
{
	struct outage o;
	uint64_t now = 1000;

	(void)state;
	outage_init(&o, OUTAGE_FOREVER);
	for (int i = 0; i < 8; i++) {
		outage_begin(&o, now, "");
		assert_int_equal(o.flaps, i);
		assert_int_equal(outage_is_usual(&o), i >= 5);
		assert_int_equal(outage_becomes_usual(&o), i == 5);
		outage_end(&o, now + 100);
		now += 100 + 9999;
	}
	now += 1;
	outage_begin(&o, now, "");
	assert_int_equal(o.flaps, 0);
	assert_false(outage_is_usual(&o));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts),	  cmocka_unit_test(test_fails_at),
	    cmocka_unit_test(test_hold),	  cmocka_unit_test(test_inherited),
	    cmocka_unit_test(test_grace_is_news), cmocka_unit_test(test_usual),
	    cmocka_unit_test(test_fails_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
