/* SPDX-License-Identifier: MIT */
/* supervise/reconnect/spares.c, with real helpers; the time is passed in. */
#include "helper-fixture.h"
#include "transport-fixture.h"

#include "supervise/reconnect/spares.h"

static struct loop *loop;
static struct helpers *helpers;

static int setup(void **state)
{
	const struct helpers_config cfg = {.spares = 1};
	struct err err;

	(void)state;
	loop = loop_new();
	return loop && helpers_new(loop, &cfg, &helpers, &err) == 0 ? helpers_fill(helpers, &err)
								    : -1;
}

static int teardown(void **state)
{
	(void)state;
	helpers_free(helpers);
	loop_free(loop);
	return 0;
}

/* Checks at that time, in ms, with `missing` spares; returns how many are missing afterwards. */
static size_t look(struct spares *p, size_t missing, uint64_t now)
{
	static size_t wanted;
	struct err err;

	if (now == 1)
		wanted = 1;
	wanted += missing;
	helpers_set(helpers, wanted, true);
	assert_int_equal(helpers_missing(helpers), missing);
	assert_int_equal(spares_tend(p, helpers, now, &err), 0);
	missing = helpers_missing(helpers);
	wanted -= missing;
	return missing;
}

/* Spares that always fail are started less and less often; a single failure is replaced soon. */
static void what_has_ended_is_replaced(void **state)
{
	struct spares p = {.refill_at = 0};

	(void)state;
	assert_int_equal(look(&p, 0, 1), 0);
	assert_int_equal(p.refill_at, 0); /* there is nothing to do */
	assert_int_equal(look(&p, 1, 1000), 0);
	assert_int_equal(look(&p, 1, 10999), 1);
	assert_int_equal(look(&p, 1, 11000), 0);
	assert_int_equal(look(&p, 1, 30999), 1);
	assert_int_equal(look(&p, 1, 31000), 0);
	/* They have lived for a long time: the pause is short again. */
	assert_int_equal(look(&p, 1, 500000), 0);
	assert_int_equal(look(&p, 1, 510000), 0);
	assert_int_equal(p.refill_ms, 20000);
}

static void the_pause_has_an_end(void **state)
{
	struct spares p = {.refill_at = 0};
	uint64_t now = 1;

	(void)state;
	look(&p, 0, now);
	for (int i = 0; i < 9; i++) {
		now = p.refill_at > now ? p.refill_at : now + 1;
		assert_int_equal(look(&p, 1, now), 0);
	}
	assert_in_range(p.refill_ms, 600000, 1200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_has_ended_is_replaced, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_pause_has_an_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
