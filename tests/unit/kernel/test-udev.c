/* SPDX-License-Identifier: MIT */
/* kernel/udev.c on simulated trees of sysfs, /proc and udev's database. */
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
#include <unistd.h>

#include "kernel/root.h"
#include "kernel/udev.h"
#include "tree-fixture.h"

#define PID 77

static char top[64], sys[80], run[80], proc[80];

const char *sysfs_root(void)
{
	return sys;
}

const char *udev_root(void)
{
	return run;
}

static void file(const char *path, const char *text)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", top, path);
	for (char *p = strchr(full + strlen(top) + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(full, 0755) < 0)
			assert_int_equal(errno, EEXIST);
		*p = '/';
	}
	tree_put(top, path, text);
}

static const char *content(const char *path)
{
	static char text[256];
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", top, path);
	f = fopen(full, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(top, "/tmp/test-udev-XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(sys, sizeof(sys), "%s/sys", top);
	snprintf(run, sizeof(run), "%s/udev", top);
	snprintf(proc, sizeof(proc), "%s/proc", top);
	file("sys/block/nbd0/dev", "43:0\n");
	file("sys/block/nbd0/queue/x", "");
	file("udev/data/b43:1", "S:disk/by-nbd/data\nE:NBD_ATTACH_PID=77\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return tree_remove(top);
}

static void seen_is(enum udev_seen wanted)
{
	assert_int_equal(udev_seen(0, PID, "data"), wanted);
}

static void the_disk(void **state)
{
	(void)state;
	seen_is(UDEV_NOT_YET);
	file("udev/data/b43:0", "I:12\nE:NBD_ATTACH_PID=77\n");
	seen_is(UDEV_NOT_YET);
	file("udev/data/b43:0", "S:disk/by-nbd/data\nE:NBD_ATTACH_PID=76\n"); /* an earlier one */
	seen_is(UDEV_NOT_YET);
	file("udev/data/b43:0", "S:disk/by-nbd/data2\nE:NBD_ATTACH_PID=77\n");
	seen_is(UDEV_NOT_YET);
	file("udev/data/b43:0", "S:disk/by-id/x\nS:disk/by-nbd/data\nE:NBD_ATTACH_PID=77\n");
	seen_is(UDEV_ALL);
}

static void partitions(void **state)
{
	(void)state;
	file("udev/data/b43:0", "S:disk/by-nbd/data\nE:NBD_ATTACH_PID=77\n");
	file("sys/block/nbd0/nbd0p1/dev", "43:1\n");
	file("sys/block/nbd0/nbd0p2/dev", "43:2\n");
	file("sys/block/nbd0/nbd0p1/uevent", "");
	file("sys/block/nbd0/nbd0p2/uevent", "");
	seen_is(UDEV_DISK);
	udev_prod(0, PID, "data");
	/* The first one was announced again; udev has not come to the other one yet. */
	assert_non_null(strstr(content("sys/block/nbd0/nbd0p1/uevent"), "change "));
	assert_string_equal(content("sys/block/nbd0/nbd0p2/uevent"), "");
	file("udev/data/b43:1", "S:disk/by-nbd/data-part1\nE:NBD_ATTACH_PID=77\n");
	seen_is(UDEV_DISK);
	file("udev/data/b43:2", "S:disk/by-nbd/data-part2\nE:NBD_ATTACH_PID=77\n");
	seen_is(UDEV_ALL);
}

static void whether_it_runs(void **state)
{
	(void)state;
	file("udev/rules.d/59-nbd-attach.rules", "");
	assert_false(udev_runs());
	file("udev/control", "");
	assert_true(udev_runs());
}

static void process(int pid, const char *name, int parent, unsigned uid)
{
	char path[64], text[128];

	snprintf(path, sizeof(path), "proc/%d/status", pid);
	snprintf(text, sizeof(text), "Name:\t%s\nUmask:\t0022\nPPid:\t%d\nUid:\t%u\t0\t0\t0\n",
		 name, parent, uid);
	file(path, text);
}

static void who_started_it(void **state)
{
	(void)state;
	process(10, "(udev-worker)", 9, 0);
	process(11, "sh", 10, 0);
	process(12, "blkid", 11, 0);
	assert_true(udev_started(proc, 10));
	assert_true(udev_started(proc, 12));
	process(10, "(udev-worker)", 9, 1000);
	assert_false(udev_started(proc, 12)); /* number 9 is not there */
	process(9, "systemd-udevd", 1, 0);
	assert_true(udev_started(proc, 12));
	process(9, "bash", 12, 0);
	assert_false(udev_started(proc, 12)); /* a circle ends as well */
	assert_false(udev_started(proc, 1));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(the_disk),
	    CASE(partitions),
	    CASE(whether_it_runs),
	    CASE(who_started_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
