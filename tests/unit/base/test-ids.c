/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/ids.h"

static void test_differ(void **state)
{
	struct ids none = {0}, a = {0}, b = {0};
	char text[256];

	(void)state;
	strcpy(a.id[IDS_EXT], "1234");
	b = a;
	assert_false(ids_differ(&a, &b));
	/* What was not there cannot be compared. */
	assert_false(ids_differ(&none, &a));
	strcpy(b.id[IDS_GPT], "77");
	assert_false(ids_differ(&a, &b));
	/* An identifier that is missing or changed means another disk. */
	assert_true(ids_differ(&a, &none));
	assert_true(ids_differ(&b, &a));
	strcpy(b.id[IDS_EXT], "1235");
	assert_true(ids_differ(&a, &b));
	assert_string_equal(ids_difference(&a, &b, text, sizeof(text)), "ext 1235 instead of 1234");
	assert_string_equal(ids_difference(&b, &none, text, sizeof(text)),
			    "gpt none instead of 77, ext none instead of 1235");
	assert_string_equal(ids_difference(&b, &none, text, 10), "gpt none ");
}

static void test_text(void **state)
{
	static const char *const wrong[] = {
	    "",
	    " ",
	    "ext",
	    "ext:",
	    "none ",
	    "ext:1  md:2",
	    "ext:1 ext:2",
	    "exd:1",
	    "ext:1_2",
	    "ext:1,2",
	    "ext:1234567890123456789012345678901234567890",
	    "extra:1",
	    ":1",
	};
	struct ids ids = {0}, again;
	char text[IDS_TEXT_MAX];

	(void)state;
	assert_string_equal(ids_text(&ids, text), "none");
	memset(&again, 1, sizeof(again));
	assert_true(ids_parse(text, &again));
	assert_memory_equal(&ids, &again, sizeof(ids));
	/* The longest of all kinds have room. */
	for (int i = 0; i < IDS_KINDS; i++)
		memset(ids.id[i], 'f', IDS_ONE_MAX - 1);
	assert_true(ids_valid(&ids));
	assert_true(ids_parse(ids_text(&ids, text), &again));
	assert_memory_equal(&ids, &again, sizeof(ids));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(ids_parse(wrong[i], &again));
	assert_memory_equal(&ids, &again, sizeof(ids));
}

static void test_valid(void **state)
{
	struct ids ids = {0};

	(void)state;
	assert_true(ids_valid(&ids));
	strcpy(ids.id[IDS_MD], "a\x1b[31m");
	assert_false(ids_valid(&ids));
	memset(ids.id[IDS_MD], 'a', IDS_ONE_MAX);
	assert_false(ids_valid(&ids));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_differ),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
