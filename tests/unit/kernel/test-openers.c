/* SPDX-License-Identifier: MIT */
/* The proof that nobody has a device open, from files like those of sysfs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel/openers.h"

static char dir[] = "/tmp/test-openers-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!text) {
		unlink(path);
		return;
	}
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void the_references_are_compared(void **state)
{
	static const struct {
		const char *references, *pid; /* NULL: there is no such file */
		unsigned own;
		bool none;
	} table[] = {
	    {"1\n", "77\n", 0, true},
	    {"2\n", "77\n", 0, false}, /* another device, or somebody */
	    {"0\n", "77\n", 0, false}, /* a driver that counts in another way */
	    {"3\n", "77\n", 2, true},
	    {"2\n", "77\n", 2, false}, /* two opens that count once, or one of them not ours */
	    {"4\n", "77\n", 2, false},
	    {"1\n", NULL, 0, false}, /* not attached: the reference is another device's */
	    {"1\n", "", 0, false},
	    {NULL, "77\n", 0, false}, /* the driver is built in */
	    {"", "77\n", 0, false},
	    {"\n", "77\n", 0, false},
	    {"1", "77\n", 0, false},
	    {"-1\n", "77\n", 0, false},
	    {"1 \n", "77\n", 0, false},
	    {"11\n", "77\n", 0, false},
	    {"10\n", "77\n", 9, true},
	    {"4294967297\n", "77\n", 0, false},
	    {"1000000001\n", "77\n", 0, false},
	    {"18446744073709551617\n", "77\n", 0, false},
	};
	struct openers o;

	(void)state;
	openers_init_at(&o, dir, 7);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		put("module/nbd/refcnt", table[i].references);
		put("block/nbd7/pid", table[i].pid);
		if (openers_none(&o, table[i].own) != table[i].none)
			fail_msg("case %zu", i);
	}
}

static void a_path_that_is_too_long_proves_nothing(void **state)
{
	char root[OPENERS_PATH_MAX];
	struct openers o;

	(void)state;
	memset(root, 'x', sizeof(root) - 1);
	root[sizeof(root) - 1] = '\0';
	openers_init_at(&o, root, 7);
	assert_int_equal(o.references[0], '\0');
	assert_false(openers_none(&o, 0));
}

static int make_tree(void **state)
{
	static const char *const names[] = {"module", "module/nbd", "block", "block/nbd7"};
	char path[256];

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (mkdir(path, 0700) < 0)
			return -1;
	}
	return 0;
}

static int remove_tree(void **state)
{
	static const char *const names[] = {"module/nbd/refcnt", "module/nbd", "module",
					    "block/nbd7/pid",	 "block/nbd7", "block"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		remove(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_references_are_compared),
	    cmocka_unit_test(a_path_that_is_too_long_proves_nothing),
	};

	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
