/* SPDX-License-Identifier: MIT */
/* transport/candidates.c: which addresses are left, and the share of time of each. */
#include "transport-fixture.h"

#include "transport/candidates.h"

static void fill(struct address_list *list, size_t n)
{
	char text[32];

	list->n = n;
	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "127.0.0.%zu", i + 1);
		list->item[i] = literal_address(text, 10809);
	}
}

/* As many as there can be: each has its bit. */
static void those_that_have_failed_are_left_out(void **state)
{
	struct address_list all, left;
	struct candidates c = {.all = &all};
	struct address other = literal_address("127.0.0.1", 10810);

	(void)state;
	fill(&all, ADDRESSES_MAX);
	candidates_fail(&c, &other);
	assert_int_equal(candidates_left(&c), ADDRESSES_MAX);
	candidates_fail(&c, &all.item[ADDRESSES_MAX - 1]);
	candidates_fail(&c, &all.item[1]);
	candidates_fail(&c, &all.item[1]);
	assert_int_equal(candidates_left(&c), ADDRESSES_MAX - 2);
	candidates_list(&c, &left);
	assert_int_equal(left.n, ADDRESSES_MAX - 2);
	assert_true(address_equal(&left.item[0], &all.item[0]));
	for (size_t i = 1; i < left.n; i++)
		assert_true(address_equal(&left.item[i], &all.item[i + 1]));
}

static void a_share_of_the_time(void **state)
{
	/* 0: all of the time */
	static const struct {
		size_t n;
		uint64_t left_ms, share_ms;
	} table[] = {
	    {1, 10000, 0},    {2, 10000, 5000}, {2, 9994, 5000}, {3, 10000, 3300},
	    {20, 9000, 1000}, {20, 1500, 750},	{2, 900, 450},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct address_list all;
		struct candidates c = {.all = &all};
		uint64_t ms = 0;

		fill(&all, table[i].n);
		assert_int_equal(candidates_share(&c, table[i].left_ms, &ms), table[i].n > 1);
		assert_int_equal(ms, table[i].share_ms);
	}
}

static void the_last_one_has_all_the_time(void **state)
{
	struct address_list all;
	struct candidates c = {.all = &all};
	uint64_t ms = 0;

	(void)state;
	fill(&all, 2);
	assert_true(candidates_share(&c, 4000, &ms));
	assert_int_equal(ms, 2000);
	candidates_fail(&c, &all.item[0]);
	assert_false(candidates_share(&c, 4000, &ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(those_that_have_failed_are_left_out),
	    cmocka_unit_test(a_share_of_the_time),
	    cmocka_unit_test(the_last_one_has_all_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
