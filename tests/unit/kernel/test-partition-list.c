/* SPDX-License-Identifier: MIT */
/* kernel/partition-list.c on a simulated tree of sysfs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "kernel/partition-list.h"
#include "kernel/root.h"
#include "tree-fixture.h"

static char top[64];

const char *sysfs_root(void)
{
	return top;
}

static void make(const char *path)
{
	char full[128];

	snprintf(full, sizeof(full), "%s/%s", top, path);
	assert_int_equal(mkdir(full, 0755), 0);
}

static void partitions_have_numbers(void **state)
{
	static const struct {
		const char *name;
		int number;
	} table[] = {
	    {"nbd1p1", 1},  {"nbd1p15", 15}, {"nbd1", 0},	{"nbd1p", 0},
	    {"nbd1p1x", 0}, {"nbd11p1", 0},  {"nbd2p1", 0},	{"sda1", 0},
	    {"queue", 0},   {"", 0},	     {"nbd1p256", 256},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(partition_number(1, table[i].name), table[i].number);
}

static void they_are_listed_in_order(void **state)
{
	static const char *const made[] = {"block",
					   "block/nbd1",
					   "block/nbd1/queue",
					   "block/nbd1/nbd1p10",
					   "block/nbd1/nbd1p2",
					   "block/nbd1/holders",
					   "block/nbd1/nbd1p1",
					   "block/nbd0"};
	char names[64] = "";

	(void)state;
	strcpy(top, "/tmp/test-partition-list-XXXXXX");
	assert_non_null(mkdtemp(top));
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		make(made[i]);
	assert_int_equal(partitions_shown(1, names, sizeof(names)), 3);
	assert_string_equal(names, "nbd1p1, nbd1p2, nbd1p10");
	assert_int_equal(partitions_shown(1, NULL, 0), 3);
	assert_int_equal(partitions_shown(0, NULL, 0), 0);
	assert_int_equal(partitions_shown(2, NULL, 0), 0); /* no such device */
	assert_int_equal(tree_remove(top), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(partitions_have_numbers),
	    cmocka_unit_test(they_are_listed_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
