/* SPDX-License-Identifier: MIT */
/* supervise/errors.c: what is shown and said of requests that the server answered with an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "supervise/errors.h"

static struct errors e;
static struct kmsg_errors seen;
static struct state shown;

static int setup(void **state)
{
	(void)state;
	memset(&e, 0, sizeof(e));
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static void unknown_is_not_none(void **state)
{
	(void)state;
	errors_report(&e, &shown);
	assert_int_equal(shown.errors, -1);
	assert_int_equal(errors_look(&e, &seen, 1000, 7), ERRORS_NOTHING);
	errors_report(&e, &shown);
	assert_int_equal(shown.errors, 0);
	assert_int_equal(shown.error_at, 0);
	assert_string_equal(shown.error_name, "");
}

static void errors_are_said_once_a_minute(void **state)
{
	(void)state;
	seen = (struct kmsg_errors){.count = 3, .last = 5, .missed = true};
	assert_int_equal(errors_look(&e, &seen, 1000, 7), ERRORS_COUNT);
	errors_report(&e, &shown);
	assert_int_equal(shown.errors, 3);
	assert_int_equal(shown.error_at, 7);
	assert_true(shown.errors_missed);
	assert_string_equal(shown.error_name, "EIO");
	assert_false(shown.leaving);
	seen.count = 4;
	assert_int_equal(errors_look(&e, &seen, 1000 + ERRORS_SAY_MS - 1, 66), ERRORS_NOTHING);
	assert_int_equal(errors_look(&e, &seen, 1000 + ERRORS_SAY_MS, 67), ERRORS_COUNT);
	errors_report(&e, &shown);
	assert_int_equal(shown.error_at, 66); /* when it was seen, not when it was said */
	assert_int_equal(errors_look(&e, &seen, 1000 + 9 * ERRORS_SAY_MS, 99), ERRORS_NOTHING);
}

/* It holds for the connections that it was about, and is said once for them. */
static void the_hint_ends_with_the_connections(void **state)
{
	(void)state;
	seen = (struct kmsg_errors){.count = 2, .leaving = 1, .last = KMSG_LEAVING};
	assert_int_equal(errors_look(&e, &seen, 1000, 7), ERRORS_LEAVING);
	assert_int_equal(errors_look(&e, &seen, 1001, 7), ERRORS_NOTHING);
	/* The hint has said the errors, too. */
	assert_int_equal(errors_look(&e, &seen, 1000 + ERRORS_SAY_MS, 7), ERRORS_NOTHING);
	errors_report(&e, &shown);
	assert_true(shown.leaving);
	assert_string_equal(shown.error_name, "ESHUTDOWN");
	errors_renewed(&e);
	assert_int_equal(errors_look(&e, &seen, 2000 + ERRORS_SAY_MS, 8), ERRORS_NOTHING);
	errors_report(&e, &shown);
	assert_false(shown.leaving);
	assert_int_equal(shown.errors, 2);
	seen.count = 3;
	seen.leaving = 2;
	assert_int_equal(errors_look(&e, &seen, 3000 + ERRORS_SAY_MS, 9), ERRORS_LEAVING);
}

static void numbers_have_names(void **state)
{
	static const struct {
		unsigned error;
		const char *name;
	} names[] = {
	    {1, "EPERM"},    {5, "EIO"},
	    {12, "ENOMEM"},  {22, "EINVAL"},
	    {28, "ENOSPC"},  {75, "EOVERFLOW"},
	    {95, "ENOTSUP"}, {108, "ESHUTDOWN"},
	    {0, "0"},	     {4294967295u, "4294967295"},
	};
	char buf[16];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(errors_name(names[i].error, buf, sizeof(buf)), names[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(unknown_is_not_none, setup),
	    cmocka_unit_test_setup(errors_are_said_once_a_minute, setup),
	    cmocka_unit_test_setup(the_hint_ends_with_the_connections, setup),
	    cmocka_unit_test(numbers_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
