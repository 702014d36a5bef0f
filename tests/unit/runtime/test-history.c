/* SPDX-License-Identifier: MIT */
/* The latest states are kept, whole, whatever came before. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "runtime/history.h"

static void states_follow_each_other(void **state)
{
	char history[HISTORY_MAX] = "";

	(void)state;
	history_add(history, 1700000000, "attached");
	assert_string_equal(history, "1700000000 attached");
	history_add(history, 1700000005, "lost");
	assert_string_equal(history, "1700000000 attached,1700000005 lost");
}

static void the_oldest_are_dropped(void **state)
{
	char history[HISTORY_MAX] = "";
	unsigned n = 1;

	(void)state;
	for (int64_t i = 0; i < 1000; i++) {
		history_add(history, 1700000000 + i, i % 2 ? "lost" : "attached");
		assert_true(strlen(history) < HISTORY_MAX);
	}
	assert_string_equal(history + strlen(history) - strlen(",1700000999 lost"),
			    ",1700000999 lost");
	/* The first one is whole. */
	assert_memory_equal(history, "1700000", 7);
	for (const char *p = history; (p = strchr(p, ',')); p++)
		n++;
	assert_in_range(n, 30, 60);
}

/* An entry that leaves room for nothing else. */
static void one_is_always_kept(void **state)
{
	char history[HISTORY_MAX];

	(void)state;
	memset(history, 'x', sizeof(history) - 1); /* of another version: no comma */
	history[sizeof(history) - 1] = '\0';
	history_add(history, 5, "lost");
	assert_string_equal(history, "5 lost");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(states_follow_each_other),
	    cmocka_unit_test(the_oldest_are_dropped),
	    cmocka_unit_test(one_is_always_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
