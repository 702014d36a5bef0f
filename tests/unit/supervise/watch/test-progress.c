/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervise/watch/progress.h"

struct look {
	uint64_t now;	    /* ms */
	uint64_t completed; /* requests */
	unsigned in_flight;
	bool counted;
	/* The expected result. */
	bool news, stalled, uncounted;
};

static void walk(const struct look *looks, size_t n)
{
	struct progress p = {.completed = 0};

	for (size_t i = 0; i < n; i++) {
		const struct look *l = &looks[i];
		const struct sysfs_progress seen = {
		    .completed = l->completed, .in_flight = l->in_flight, .counted = l->counted};

		assert_int_equal(progress_look(&p, &seen, l->now), l->news);
		assert_int_equal(p.stalled, l->stalled);
		assert_int_equal(p.uncounted, l->uncounted);
		assert_int_equal(p.in_flight, l->in_flight);
	}
}

/* Requests under way, and none completed for 10 s. */
static void test_stalled(void **state)
{
	static const struct look looks[] = {
	    {1000, 5, 3, true, false, false, false},
	    {10999, 5, 3, true, false, false, false},
	    {11000, 5, 3, true, true, true, false},
	    {20000, 5, 3, true, false, true, false},
	    {21000, 6, 3, true, true, false, false},
	    {30999, 6, 3, true, false, false, false},
	    {31000, 6, 3, true, true, true, false},
	    /* No request is under way any more, though none was counted as completed. */
	    {31500, 6, 0, true, true, false, false},
	};

	(void)state;
	walk(looks, sizeof(looks) / sizeof(looks[0]));
}

/* An idle device is never stalled, however long nothing is completed. */
static void test_idle(void **state)
{
	static const struct look looks[] = {
	    {1000, 5, 0, true, false, false, false},
	    {90000, 5, 0, true, false, false, false},
	    /* The time starts here. */
	    {91000, 5, 1, true, false, false, false},
	    {99999, 5, 1, true, false, false, false},
	    {100000, 5, 1, true, true, true, false},
	};

	(void)state;
	walk(looks, sizeof(looks) / sizeof(looks[0]));
}

/* If requests are not counted, the server is not called stalled. */
static void test_uncounted(void **state)
{
	static const struct look looks[] = {
	    {1000, 5, 3, true, false, false, false},  {6000, 5, 3, false, true, false, true},
	    {60000, 5, 3, false, false, false, true}, {61000, 5, 3, true, true, false, false},
	    {69999, 5, 3, true, false, false, false}, {70000, 5, 3, true, true, true, false},
	    {71000, 5, 3, false, true, false, true},
	};
	struct progress p = {.completed = 0};
	const struct sysfs_progress blind = {.counted = false}, seeing = {.counted = true};

	(void)state;
	walk(looks, sizeof(looks) / sizeof(looks[0]));
	progress_look(&p, &blind, 1000);
	progress_look(&p, &seeing, 2000);
	assert_int_equal(p.uncounted_at, 1000);
}

static void test_restart(void **state)
{
	struct progress p = {.completed = 0};
	const struct sysfs_progress seen = {.completed = 5, .in_flight = 1, .counted = true};

	(void)state;
	progress_look(&p, &seen, 1000);
	progress_restart(&p, 0);
	assert_false(progress_look(&p, &seen, 60000));
	assert_false(p.stalled);
	assert_true(progress_look(&p, &seen, 70000));
	/* The driver may keep a request of the dead connection until 92000. */
	progress_restart(&p, 92000);
	progress_look(&p, &seen, 80000);
	assert_false(progress_look(&p, &seen, 91999));
	assert_false(p.stalled);
	assert_true(progress_look(&p, &seen, 92000));
}

/* No completed request for 20 s, counted or not: a probe is due, and again 20 s later. */
static void test_quiet(void **state)
{
	struct progress p = {.completed = 0};
	const struct sysfs_progress idle = {.completed = 5, .counted = true};
	const struct sysfs_progress busy = {.completed = 6, .in_flight = 1, .counted = true};
	const struct sysfs_progress blind = {.counted = false};

	(void)state;
	assert_false(progress_is_quiet(&p, 100000));
	progress_look(&p, &idle, 1000);
	progress_look(&p, &idle, 20999);
	assert_false(progress_is_quiet(&p, 20999));
	assert_true(progress_is_quiet(&p, 21000));
	assert_false(progress_is_quiet(&p, 40999));
	progress_look(&p, &busy, 40999);
	assert_false(progress_is_quiet(&p, 60998));
	assert_true(progress_is_quiet(&p, 60999));
	progress_look(&p, &blind, 61000);
	assert_false(progress_is_quiet(&p, 80999));
	progress_look(&p, &blind, 81000);
	assert_true(progress_is_quiet(&p, 81000));
	progress_restart(&p, 0);
	assert_false(progress_is_quiet(&p, 200000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stalled),   cmocka_unit_test(test_idle),
	    cmocka_unit_test(test_uncounted), cmocka_unit_test(test_restart),
	    cmocka_unit_test(test_quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
