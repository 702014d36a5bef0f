/* SPDX-License-Identifier: MIT */
/* When a device has been without requests for long enough: tables of checks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "kernel/quiet.h"

struct look {
	uint64_t now, completed;
	unsigned in_flight;
	bool counted;
	uint64_t unseen_at;
	bool quiet; /* wanted */
};

#define WALK(q, looks) walk(q, looks, sizeof(looks) / sizeof((looks)[0]))

static void walk(struct quiet *q, const struct look *look, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct sysfs_progress seen = {.completed = look[i].completed,
						    .in_flight = look[i].in_flight,
						    .counted = look[i].counted};

		if (quiet_look(q, &seen, look[i].unseen_at, look[i].now) != look[i].quiet)
			fail_msg("look %zu, at %llu ms", i, (unsigned long long)look[i].now);
	}
}

static void idle_for_long_enough(void **state)
{
	static const struct look looks[] = {
	    {1000, 7, 0, true, 0, false}, {1005, 7, 0, true, 0, false},
	    {1099, 7, 0, true, 0, false}, {1100, 7, 0, true, 0, true},
	    {5000, 7, 0, true, 0, true},
	};
	struct quiet q = {.since = 0};

	(void)state;
	WALK(&q, looks);
}

/* Each check finds no request, but requests were completed in between. */
static void short_requests(void **state)
{
	static const struct look looks[] = {
	    {1000, 1, 0, true, 0, false}, {1090, 2, 0, true, 0, false},
	    {1180, 3, 0, true, 0, false}, {1279, 3, 0, true, 0, false},
	    {1280, 3, 0, true, 0, true},
	};
	struct quiet q = {.since = 0};

	(void)state;
	WALK(&q, looks);
}

static void one_under_way(void **state)
{
	static const struct look looks[] = {
	    {1000, 1, 0, true, 0, false}, {1090, 1, 1, true, 0, false},
	    {2000, 1, 1, true, 0, false}, {2001, 2, 0, true, 0, false},
	    {2100, 2, 0, true, 0, false}, {2101, 2, 0, true, 0, true},
	    {2102, 2, 1, true, 0, false},
	};
	struct quiet q = {.since = 0};

	(void)state;
	WALK(&q, looks);
}

/* An uncounted device does not count as idle, for as long as an uncounted request may take. */
static void not_counted(void **state)
{
	static const struct look looks[] = {
	    {1000, 0, 0, false, 0, false},   {2000, 0, 0, true, 0, false},
	    {8999, 0, 0, true, 0, false},    {9000, 0, 0, true, 0, true},
	    {9001, 0, 0, true, 9000, false}, {16999, 0, 0, true, 9000, false},
	    {17000, 0, 0, true, 9000, true},
	};
	const struct sysfs_progress blind = {.counted = false};
	struct quiet q = {.since = 0};

	(void)state;
	WALK(&q, looks);
	quiet_look(&q, &blind, 0, 20000);
	assert_true(q.uncounted);
	quiet_restart(&q);
	assert_false(q.uncounted);
	assert_int_equal(q.uncounted_at, 20000);
}

/* After an outage the driver may keep it for longer. */
static void not_counted_in_an_outage(void **state)
{
	static const struct look looks[] = {
	    {20000, 0, 0, true, 9000, false},
	    {20999, 0, 0, true, 9000, false},
	    {21000, 0, 0, true, 9000, true},
	};
	struct quiet q = {.unseen_ms = 12000};

	(void)state;
	WALK(&q, looks);
}

static void from_the_start_again(void **state)
{
	static const struct look before[] = {{1000, 1, 0, true, 0, false},
					     {1100, 1, 0, true, 0, true}};
	static const struct look after[] = {{1101, 1, 0, true, 0, false},
					    {1200, 1, 0, true, 0, false},
					    {1201, 1, 0, true, 0, true}};
	struct quiet q = {.since = 0};

	(void)state;
	WALK(&q, before);
	quiet_restart(&q);
	WALK(&q, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(idle_for_long_enough),
	    cmocka_unit_test(short_requests),
	    cmocka_unit_test(one_under_way),
	    cmocka_unit_test(not_counted),
	    cmocka_unit_test(not_counted_in_an_outage),
	    cmocka_unit_test(from_the_start_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
