/* SPDX-License-Identifier: MIT */
/* Names are replaced by marks, and nothing else is. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/redact.h"

static void assert_printed(const struct redact *r, const char *text, const char *wanted)
{
	char *printed = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&printed, &len);

	assert_non_null(f);
	redact_print(r, text, f);
	fclose(f);
	assert_string_equal(printed, wanted);
	free(printed);
}

static void names_become_marks(void **state)
{
	struct redact r = {.n = 0};

	(void)state;
	assert_int_equal(redact_add(&r, "host", "alpha.example"), 0);
	assert_int_equal(redact_add(&r, "host", "alpha"), 0);
	assert_int_equal(redact_add(&r, "export", "disk"), 0);
	assert_int_equal(redact_add(&r, "host", "alpha"), 0); /* again */
	assert_int_equal(redact_add(&r, "export", ""), 0);
	assert_int_equal(r.n, 3);
	/* The longest name counts; a word that only contains a name stays. */
	assert_printed(&r, "nbd://alpha.example:5/disk (alpha)",
		       "nbd://<host 1>:5/<export 1> (<host 2>)");
	assert_printed(&r, "disks alphabet thedisk disk1", "disks alphabet thedisk disk1");
	assert_printed(&r, "disk", "<export 1>");
	assert_printed(&r, "", "");
	redact_done(&r);
}

static void kinds_are_counted_apart(void **state)
{
	struct redact r = {.n = 0};

	(void)state;
	redact_add(&r, "host", "a");
	redact_add(&r, "hosts", "b");
	redact_add(&r, "host", "c");
	assert_printed(&r, "a b c", "<host 1> <hosts 1> <host 2>");
	redact_done(&r);
}

/* A name that is not replaced must not go unnoticed. */
static void too_many_names(void **state)
{
	struct redact r = {.n = 0};
	char name[16];

	(void)state;
	for (unsigned i = 0; i < REDACT_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(redact_add(&r, "name", name), 0);
	}
	assert_true(redact_add(&r, "name", "more") < 0);
	redact_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_become_marks),
	    cmocka_unit_test(kinds_are_counted_apart),
	    cmocka_unit_test(too_many_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
