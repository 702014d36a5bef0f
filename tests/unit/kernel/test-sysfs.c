/* SPDX-License-Identifier: MIT */
/* kernel/sysfs.c and device.c on a simulated tree: needs no device and no root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kernel/device.h"
#include "kernel/sysfs.h"
#include "tree-fixture.h"

static char root[64];

static void write_attr(const char *name, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), "block/nbd0/%s", name);
	tree_put(root, path, value);
}

static void remove_attr(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/block/nbd0/%s", root, name);
	unlink(path);
}

/* Returns what was written, without a newline at the end. */
static void attr_is(const char *name, const char *value)
{
	char text[64];

	assert_int_equal(sysfs_read_at(root, 0, name, text, sizeof(text)), 0);
	assert_string_equal(text, value);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test-sysfs-XXXXXX");
	tree_make_device(root);
	write_attr("pid", "4711\n");
	write_attr("size", "32768\n");
	write_attr("ro", "0\n");
	write_attr("queue/logical_block_size", "4096\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return tree_remove(root);
}

static void reads_a_device(void **state)
{
	struct sysfs_device d;
	uint32_t block_size;

	(void)state;
	assert_int_equal(sysfs_device_at(root, 0, &d), 0);
	assert_int_equal(d.pid, 4711);
	assert_int_equal(d.size, 32768 * 512);
	assert_int_equal(sysfs_block_size_at(root, 0, &block_size), 0);
	assert_int_equal(block_size, 4096);
	assert_false(d.read_only);
	write_attr("ro", "1\n");
	assert_int_equal(sysfs_device_at(root, 0, &d), 0);
	assert_true(d.read_only);
	remove_attr("pid");
	assert_int_equal(sysfs_device_at(root, 0, &d), -ENODEV);
}

static void knows_free_from_attached(void **state)
{
	(void)state;
	assert_true(sysfs_attached_at(root, 0));
	assert_false(sysfs_device_free_at(root, 0));
	/* Disconnected, but a process has it open. */
	remove_attr("pid");
	assert_false(sysfs_attached_at(root, 0));
	assert_false(sysfs_device_free_at(root, 0));
	write_attr("size", "none\n"); /* what cannot be told is not free */
	assert_false(sysfs_device_free_at(root, 0));
	write_attr("size", "0\n");
	assert_true(sysfs_device_free_at(root, 0));
	/* It does not exist: the kernel makes it on demand. */
	assert_true(sysfs_device_free_at(root, 1));
	assert_false(sysfs_attached_at(root, 1));
}

static void refuses_odd_attributes(void **state)
{
	char text[8];
	uint64_t v = 7;

	(void)state;
	assert_int_equal(sysfs_read_at(root, 0, "nothing", text, sizeof(text)), -ENOENT);
	write_attr("long", "12345678\n");
	assert_int_equal(sysfs_read_at(root, 0, "long", text, sizeof(text)), -E2BIG);
	for (const char *const *s = (const char *const[]){"", "-1", " 1", "1x", "0x10", "1\n2",
							  "18446744073709551616", NULL};
	     *s; s++) {
		write_attr("odd", *s);
		assert_int_equal(sysfs_number_at(root, 0, "odd", &v), -EINVAL);
	}
	assert_int_equal(v, 7);
	write_attr("most", "18446744073709551615\n");
	assert_int_equal(sysfs_number_at(root, 0, "most", &v), 0);
	assert_true(v == UINT64_MAX);
}

static void device_names(void **state)
{
	static const struct {
		const char *word;
		int index;
	} good[] = {{"/dev/nbd0", 0}, {"nbd7", 7}, {"nbd1048575", 1048575}, {"/dev/nbd10", 10}};
	static const char *const bad[] = {"",
					  "nbd",
					  "/dev/nbd",
					  "nbd-1",
					  "nbd 1",
					  "nbd01",
					  "nbd00",
					  "nbd0p1",
					  "/dev/nbd12p3",
					  "nbd0p",
					  "nbd1x",
					  "/dev/sda",
					  "dev/nbd0",
					  "/dev//nbd0",
					  "nbd1048576",
					  "nbd99999999999999999999",
					  "auto",
					  "/dev/auto",
					  "nbd0\n",
					  "/dev/nbd/0"};
	struct err err;
	int index;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(device_parse(good[i].word, "", &index, &err), 0);
		assert_int_equal(index, good[i].index);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		index = 4711;
		assert_int_equal(device_parse(bad[i], "", &index, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_int_equal(index, 4711);
		assert_null(strchr(err.message, '\n'));
	}
	assert_int_equal(device_parse("nbd0p1", "", &index, &err), -EINVAL);
	assert_non_null(strstr(err.message, "partition"));
	assert_int_equal(device_parse("sda", " or else", &index, &err), -EINVAL);
	assert_non_null(strstr(err.message, "nbd0 or else"));
	assert_string_equal(device_node(12).text, "/dev/nbd12");
	assert_string_equal(device_node(DEVICE_INDEX_MAX).text, "/dev/nbd1048575");
}

static void a_device_is_announced_with_its_partitions(void **state)
{
	char path[128];

	(void)state;
	for (const char *const *d =
		 (const char *const[]){"nbd0p1", "nbd0p12", "nbd0px", "holders", NULL};
	     *d; d++) {
		snprintf(path, sizeof(path), "%s/block/nbd0/%s", root, *d);
		assert_int_equal(mkdir(path, 0755), 0);
		snprintf(path, sizeof(path), "%s/uevent", *d);
		write_attr(path, "");
	}
	write_attr("uevent", "");
	assert_int_equal(sysfs_announce_at(root, 0, "change", "lost"), 0);
	for (const char *const *d =
		 (const char *const[]){"uevent", "nbd0p1/uevent", "nbd0p12/uevent", NULL};
	     *d; d++) {
		char text[128], action[16], rest[128];

		assert_int_equal(sysfs_read_at(root, 0, *d, text, sizeof(text)), 0);
		assert_int_equal(sscanf(text, "%15s %*36s %127s", action, rest), 2);
		assert_string_equal(action, "change");
		assert_string_equal(rest, "NBDSTATE=lost");
	}
	attr_is("nbd0px/uevent", "");
	attr_is("holders/uevent", "");
	remove_attr("uevent");
	assert_int_equal(sysfs_announce_at(root, 1, "add", "attached"), -ENOENT);
}

static void note_holder(const char *holder, const char *slave, void *arg)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s on %s; ", holder, slave);
}

static void holders_are_found_through_each_other(void **state)
{
	static const char *const made[] = {
	    "block/nbd0/holders",
	    "block/nbd0/nbd0p2",
	    "block/nbd0/nbd0p2/holders",
	    "block/dm-1",
	    "block/dm-1/holders",
	    "block/dm-2",
	    "block/dm-2/holders",
	    "block/nbd0/holders/md0",
	    "block/nbd0/nbd0p2/holders/dm-1",
	    "block/dm-1/holders/dm-2",
	};
	char text[256] = "", path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, made[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	sysfs_holders_at(root, 0, note_holder, text);
	assert_string_equal(text, "dm-1 on nbd0p2; dm-2 on dm-1; ");
	text[0] = '\0';
	sysfs_holders_at(root, 1, note_holder, text);
	assert_string_equal(text, "");
}

static void a_missing_node_is_made(void **state)
{
	struct stat st;
	char path[256];

	(void)state;
	if (geteuid()) {
		print_message("skipped because: making a node takes root\n");
		skip();
	}
	write_attr("dev", "43:0\n");
	snprintf(path, sizeof(path), "%s/nbd0", root);
	device_make_node_at(root, root, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISBLK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(st.st_rdev == makedev(43, 0));
	/* One that is there stays as it is. */
	assert_int_equal(chmod(path, 0660), 0);
	device_make_node_at(root, root, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(reads_a_device),
	    CASE(knows_free_from_attached),
	    CASE(refuses_odd_attributes),
	    CASE(a_missing_node_is_made),
	    CASE(device_names),
	    CASE(a_device_is_announced_with_its_partitions),
	    CASE(holders_are_found_through_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
