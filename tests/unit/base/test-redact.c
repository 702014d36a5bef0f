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

/* Encoded and escaped, a name is still the same one. */
static void forms_have_the_mark_of_their_name(void **state)
{
	struct redact r = {.n = 0};

	(void)state;
	assert_int_equal(redact_add(&r, "export", "my disk"), 0);
	assert_int_equal(redact_add_form(&r, "my disk", "my%20disk"), 0);
	assert_int_equal(redact_add_form(&r, "my disk", "my disk"), 0); /* nothing new */
	assert_int_equal(redact_add_form(&r, "unknown", "other"), 0);
	assert_int_equal(redact_add(&r, "export", "b"), 0);
	assert_int_equal(r.n, 3);
	assert_printed(&r, "nbd://x/my%20disk is \"my disk\", b, other",
		       "nbd://x/<export 1> is \"<export 1>\", <export 2>, other");
	redact_done(&r);
}

/* Messages show only so much of a name. */
static void a_name_that_was_cut_off(void **state)
{
	struct redact r = {.n = 0};

	(void)state;
	redact_add(&r, "export", "0123456789abcdef0123456789abcdef");
	assert_printed(&r, "no export \"0123456789abcdef0123...\": x",
		       "no export \"<export 1>...\": x");
	assert_printed(&r, "no export \"0123456789abcdef01", "no export \"<export 1>");
	assert_printed(&r, "0123456789... \"0123456789abcdef01\" x",
		       "0123456789... \"0123456789abcdef01\" x");
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

/* Whatever the name: an error message may have one that was not added. */
static void other_paths_and_addresses(void **state)
{
	struct redact r = {.n = 0};

	(void)state;
	redact_add(&r, "path", "/known/with space");
	redact_add(&r, "address", "192.0.2.1");
	assert_printed(&r, "Could not open '/a b/c.img': No such file",
		       "Could not open '<path>': No such file");
	assert_printed(&r, "cannot read /a/\303\274-b.pem: x", "cannot read <path>: x");
	assert_printed(&r, "cannot run \"/a b\" or (/c), /d; /e.",
		       "cannot run \"<path>\" or (<path>), <path>; <path>.");
	assert_printed(&r, "'/it''s open", "'<path>''s open");
	assert_printed(&r, "/known/with space: /known/with", "<path 1>: <path>");
	assert_printed(&r, "'/known/with space/more'", "'<path>'");
	assert_printed(&r, "nbd+unix:///?socket=/a/b&x=unix:/c",
		       "nbd+unix:///?socket=<path>&x=unix:<path>");
	assert_printed(&r, "192.0.2.1:10809: 198.51.100.7:10809: no; 203.0.113.9.",
		       "<address 1>:10809: <address>:10809: no; <address>.");
	assert_printed(&r, "[2001:db8::1]:10809, fe80::1%eth0 or ::1: no",
		       "[<address>]:10809, <address>%eth0 or <address>: no");
	assert_printed(&r, "vsock:2:10809 tcp:192.0.2.9", "vsock:2:10809 tcp:<address>");
	assert_printed(&r, "no answer from db-2.example:10809: alpha:10809 refused",
		       "no answer from <host>:10809: <host>:10809 refused");
	redact_done(&r);
}

static void what_only_looks_like_one_stays(void **state)
{
	static const char *const text[] = {
	    "/dev/nbd0: attached to nbd://x, 12 MB/s, read/write",
	    "cannot write /sys/block/nbd0/queue/io_timeout",
	    "/run/nbd-attach/nbd0.lock",
	    "2026-11-30 06:24:31 UTC",
	    "Linux 6.18.44-fc, 1.2.3.4.5, a1.2.3.4",
	    "dead: beef, add: ::ffffx / x // ' \"",
	};
	struct redact r = {.n = 0};

	(void)state;
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		assert_printed(&r, text[i], text[i]);
	redact_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_become_marks),
	    cmocka_unit_test(kinds_are_counted_apart),
	    cmocka_unit_test(forms_have_the_mark_of_their_name),
	    cmocka_unit_test(a_name_that_was_cut_off),
	    cmocka_unit_test(too_many_names),
	    cmocka_unit_test(other_paths_and_addresses),
	    cmocka_unit_test(what_only_looks_like_one_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
