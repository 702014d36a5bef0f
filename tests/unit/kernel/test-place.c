/* SPDX-License-Identifier: MIT */
/* kernel/place.c: the device under a mount point, from a simulated mountinfo and sysfs. */
#include "transport-fixture.h"

#include <sys/stat.h>

#include "kernel/place.h"

static char root[] = "/tmp/test-place-XXXXXX";
static char proc[64], sys[64];

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void link_device(const char *number, const char *target)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/dev/block/%s", sys, number);
	assert_int_equal(symlink(target, path), 0);
}

static int setup(void **state)
{
	static const char *const dirs[] = {"proc", "proc/self", "sys", "sys/dev", "sys/dev/block"};
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, dirs[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(proc, sizeof(proc), "%s/proc", root);
	snprintf(sys, sizeof(sys), "%s/sys", root);
	snprintf(path, sizeof(path), "%s/self/mountinfo", proc);
	put(path, "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
		  "23 22 43:0 / /mnt/disk rw,relatime shared:9 - ext4 /dev/nbd0 rw\n"
		  "24 22 43:33 / /mnt/part rw - xfs /dev/nbd1p1 rw\n"
		  "25 22 43:64 / /mnt/a\\040b\\134c rw - ext4 /dev/nbd2 rw\n"
		  "26 22 0:55 /@ /mnt/btrfs rw - btrfs /dev/nbd3 rw\n"
		  "27 22 0:56 / /mnt/tmp rw - tmpfs tmpfs rw\n"
		  "28 22 43:0 / /mnt/over rw - ext4 /dev/nbd0 rw\n"
		  "29 28 0:57 / /mnt/over rw - tmpfs tmpfs rw\n"
		  "30 22 0:58 / /mnt/under rw - tmpfs tmpfs rw\n"
		  "31 30 43:0 / /mnt/under rw - ext4 /dev/root rw\n"
		  "32 22 253:0 / /mnt/lvm rw - ext4 /dev/mapper/nbd0 rw\n"
		  "34 22 43:0 / /mnt/cut\\7 rw - ext4 /dev/nbd0\\1\n"
		  "35 22 43:0 / /mnt/end\\ rw - ext4 /dev/nbd0\\\n"
		  "garbage\n33 22 43:0 / /mnt/short\n");
	link_device("43:0", "../../devices/virtual/block/nbd0");
	link_device("43:33", "../../devices/virtual/block/nbd1/nbd1p1");
	link_device("43:64", "../../devices/virtual/block/nbd2");
	link_device("8:1", "../../devices/pci0/block/sda/sda1");
	link_device("253:0", "../../devices/virtual/block/dm-0");
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void mount_points_are_found(void **state)
{
	static const struct {
		const char *dir;
		int index;
	} good[] = {
	    {"/mnt/disk", 0},  {"/mnt/part", 1},   {"/mnt/a b\\c", 2}, {"/mnt/btrfs", 3},
	    {"/mnt/under", 0}, {"/mnt/cut\\7", 0}, {"/mnt/end\\", 0},
	};
	struct err err;
	int index;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		index = -1;
		assert_int_equal(place_device_at(proc, sys, good[i].dir, &index, &err), 0);
		assert_int_equal(index, good[i].index);
	}
}

static void others_are_refused(void **state)
{
	static const struct {
		const char *dir;
		int ret;
		const char *sentence;
	} bad[] = {
	    {"/mnt", -ENOENT, "nothing is mounted at \"/mnt\""},
	    {"/mnt/disk/", -ENOENT, "nothing is mounted at"},
	    {"/mnt/short", -ENOENT, "nothing is mounted at"},
	    {"/mnt/tmp", -ENOTBLK,
	     "\"/mnt/tmp\" is mounted from \"tmpfs\", which is not an NBD device"},
	    {"/", -ENOTBLK, "\"/\" is mounted from \"/dev/sda1\""},
	    {"/mnt/over", -ENOTBLK, "mounted from \"tmpfs\""},
	    {"/mnt/lvm", -ENOTBLK, "mounted from \"/dev/mapper/nbd0\""},
	};
	struct err err;
	int index = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(place_device_at(proc, sys, bad[i].dir, &index, &err), bad[i].ret);
		assert_non_null(strstr(err.message, bad[i].sentence));
		assert_int_equal(err.kind, ERR_FAILED);
	}
	assert_int_equal(index, 77);
	assert_int_equal(place_device_at("/nonexistent", sys, "/", &index, &err), -ENOENT);
}

static void disks_and_partitions_have_numbers(void **state)
{
	static const char *const bad[] = {"",	   "nbd",     "nbdx", "nbd1p",
					  "nbd1x", "nbd1p1x", "sda",  "nbd-1"};

	(void)state;
	assert_int_equal(place_disk("nbd0"), 0);
	assert_int_equal(place_disk("nbd15p3"), 15);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(place_disk(bad[i]), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mount_points_are_found),
	    cmocka_unit_test(others_are_refused),
	    cmocka_unit_test(disks_and_partitions_have_numbers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
