/* SPDX-License-Identifier: MIT */
/* base/news.c: which messages are logged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/news.h"

#define MINUTE 60000

/* The same message is logged once, however often it comes. */
static void once(void **state)
{
	struct news n = {.paid_until = 0};

	(void)state;
	assert_true(news_take(&n, "a", 5));
	for (uint64_t now = 5; now < 1000 * MINUTE; now += 2000)
		assert_false(news_take(&n, "a", now));
	assert_true(news_take(&n, "b", 1000 * MINUTE));
}

/* Three at once, then one a minute, whether they have a counter or alternate. */
static void one_a_minute(void **state)
{
	(void)state;
	for (unsigned different = 2; different < 100000; different *= 300) {
		struct news n = {.paid_until = 0};
		unsigned logged = 0, early = 0, i = 0;
		char text[32];

		for (uint64_t now = 1; now < 1440 * MINUTE; now += 2000) {
			snprintf(text, sizeof(text), "%u", i++ % different);
			logged += news_take(&n, text, now);
			if (i == 3)
				early = logged;
		}
		assert_int_equal(early, 3);
		assert_in_range(logged, 1440, 1443);
	}
}

/* What is the case in the end is logged, though a minute late. */
static void the_last_one(void **state)
{
	struct news n = {.paid_until = 0};

	(void)state;
	assert_true(news_take(&n, "a", 1));
	assert_true(news_take(&n, "b", 2));
	assert_true(news_take(&n, "c", 3));
	assert_false(news_take(&n, "d", 4));
	assert_false(news_take(&n, "d", MINUTE));
	assert_true(news_take(&n, "d", MINUTE + 1));
	/* After a rest there are three again. */
	for (unsigned i = 0; i < 3; i++)
		assert_true(news_take(&n, i & 1 ? "e" : "f", 10 * MINUTE));
	assert_false(news_take(&n, "g", 10 * MINUTE));
}

/* One that was over is logged again; but who makes it end and begin gets no more lines. */
static void over(void **state)
{
	struct news n = {.paid_until = 0};
	unsigned logged = 0;

	(void)state;
	for (uint64_t now = 1; now < 60 * MINUTE; now += 1000) {
		logged += news_take(&n, "a", now);
		news_forget(&n);
	}
	assert_in_range(logged, 60, 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(once),
	    cmocka_unit_test(one_a_minute),
	    cmocka_unit_test(the_last_one),
	    cmocka_unit_test(over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
