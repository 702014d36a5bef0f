/* SPDX-License-Identifier: MIT */
/*
 * One look for several devices: the answers are those of one look for each. The trees are drawn at
 * random; SEED repeats one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "usage-fixture.h"

#define DEVICES 4 /* the last one is missing */
#define TREES	60

/* What stands for the disk and its partition: devices that each machine has. */
static const char *const nodes[DEVICES - 1][3] = {
    {"/dev/null", "1:3\n", "sys/block/nbd0/dev"},
    {"/dev/full", "1:7\n", "sys/block/nbd1/dev"},
    {"/dev/random", "1:8\n", "sys/block/nbd2/dev"},
};
static const char *const partition = "/dev/urandom"; /* nbd1p3 */

static unsigned drawn_from;

static unsigned draw(unsigned below)
{
	drawn_from = drawn_from * 1103515245 + 12345;
	return drawn_from / 65536 % below;
}

static const char *draw_node(void)
{
	unsigned n = draw(6);

	return n < 3 ? nodes[n][0] : n == 3 ? partition : "/dev/zero";
}

static void draw_process(int pid, size_t n)
{
	static const char *const names[] = {"fio\n", "nbd-look\n", "(udev-worker)\n", "sh\n"};
	const char *name = names[draw(4)];
	char path[128], text[256];

	process(pid, name);
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "proc/%d/fd/%zu", pid, i + 3);
		link_to(path, draw_node());
	}
	snprintf(path, sizeof(path), "proc/%d/status", pid);
	snprintf(text, sizeof(text), "Name:\t%sPPid:\t%d\nUid:\t%u\t0\t0\t0\n", name,
		 draw(2) ? 1 : pid - 1, draw(3) ? 0 : geteuid() + 1);
	file(path, text);
	if (draw(3) == 0) {
		snprintf(path, sizeof(path), "proc/%d/map_files/7f20-7f30", pid);
		link_to(path, draw_node());
		snprintf(path, sizeof(path), "proc/%d/maps", pid);
		file(path, "7f20-7f30 rw-s 00000000 00:05 124   /dev/nbd0\n");
	}
	if (draw(3) == 0) {
		snprintf(path, sizeof(path), "proc/%d/ns/mnt", pid);
		file(path, "");
		snprintf(path, sizeof(path), "proc/%d/mountinfo", pid);
		snprintf(text, sizeof(text), "22 1 0:77 / /x rw - ext4 %s rw\n", draw_node());
		file(path, text);
	}
}

static void draw_tree(void)
{
	char text[512];

	begin_tree();
	for (size_t i = 0; i < DEVICES - 1; i++)
		file(nodes[i][2], nodes[i][1]);
	file("sys/block/nbd1/nbd1p3/dev", "1:9\n");
	for (unsigned i = draw(3); i > 0; i--) {
		snprintf(text, sizeof(text), "sys/block/loop%u/loop/backing_file", i);
		file(text, draw_node());
	}
	if (draw(2)) {
		file("sys/block/md0/dev", "1:5\n"); /* what /dev/zero stands for */
		file("sys/block/nbd0/holders/md0", "");
		file("sys/block/nbd2/holders/md0", "");
	}
	snprintf(text, sizeof(text), "Filename\tType\n%s\tpartition\t1\t0\t-2\n", draw_node());
	file("proc/swaps", text);
	snprintf(text, sizeof(text),
		 "21 1 0:20 / /proc rw - proc proc rw\n"
		 "22 1 1:%u / /a rw - ext4 none rw\n"
		 "23 1 0:50 / /b rw - btrfs %s rw\n",
		 draw(12), draw_node());
	file("proc/self/mountinfo", text);
	process(1, "init\n");
	for (unsigned i = 0, n = draw(9); i < n; i++)
		draw_process(200 + (int)i, draw(4));
}

static void one_look_for_all(void **state)
{
	const char *seed = getenv("SEED");
	unsigned first = seed ? (unsigned)atoi(seed) : (unsigned)time(NULL);

	(void)state;
	for (unsigned tree = 0; tree < (seed ? 1 : TREES); tree++) {
		struct usage_question q[DEVICES];
		struct usage u;

		drawn_from = first + tree;
		draw_tree();
		for (int i = 0; i < DEVICES; i++)
			q[i] = (struct usage_question){.index = i};
		if (draw(2))
			q[draw(DEVICES)].skip = 200 + (int)draw(4);
		usage_find_several_at(proc, sys, md, q, DEVICES);
		for (int i = 0; i < DEVICES; i++) {
			pid_t skip = 0;
			int ret;

			/* A process that is skipped is no user of any of these devices. */
			for (int j = 0; j < DEVICES; j++)
				skip = q[j].skip ? q[j].skip : skip;
			ret = usage_find_at(proc, sys, md, i, skip, &u, NULL);
			if (ret != q[i].ret)
				fail_msg("SEED=%u: nbd%d: %d, and alone %d", first + tree, i,
					 q[i].ret, ret);
			if (ret == 0 && (u.n != q[i].usage.n || u.passing != q[i].usage.passing ||
					 u.unsure != q[i].usage.unsure ||
					 strcmp(u.sentence, q[i].usage.sentence) != 0))
				fail_msg("SEED=%u: nbd%d: \"%s\" (%u, %u, %d), and alone \"%s\" "
					 "(%u, %u, %d)",
					 first + tree, i, q[i].usage.sentence, q[i].usage.n,
					 q[i].usage.passing, q[i].usage.unsure, u.sentence, u.n,
					 u.passing, u.unsure);
		}
		assert_true(q[DEVICES - 1].ret < 0);
		assert_int_equal(tree_remove(top), 0);
	}
}

/* The process that has both open is named for each; so is one that maps one and has another open.
 */
static void a_user_of_two(void **state)
{
	struct usage_question q[2] = {{.index = 0}, {.index = 1}};

	(void)state;
	drawn_from = 1;
	begin_tree();
	for (size_t i = 0; i < 2; i++)
		file(nodes[i][2], nodes[i][1]);
	file("proc/self/mountinfo", "");
	for (int pid = 121; pid < 126; pid++) /* the others have nothing to do with it */
		process(pid, "fio\n");
	link_to("proc/123/fd/5", "/dev/null");
	link_to("proc/123/fd/6", "/dev/full");
	usage_find_several_at(proc, sys, md, q, 2);
	assert_string_equal(q[0].usage.sentence, "/dev/nbd0 is open in process 123 (\"fio\")");
	assert_string_equal(q[1].usage.sentence, "/dev/nbd1 is open in process 123 (\"fio\")");
	assert_int_equal(tree_remove(top), 0);
	mkdir(top, 0700);
	for (size_t i = 0; i < 2; i++)
		file(nodes[i][2], nodes[i][1]);
	file("proc/self/mountinfo", "");
	process(123, "fio\n");
	link_to("proc/123/fd/5", "/dev/null");
	file("proc/123/maps", "7f20-7f30 rw-s 00000000 00:05 124   /dev/nbd1\n");
	link_to("proc/123/map_files/7f20-7f30", "/dev/full");
	usage_find_several_at(proc, sys, md, q, 2);
	assert_int_equal(q[0].usage.n, 1);
	assert_int_equal(q[1].usage.n, 1);
	assert_int_equal(tree_remove(top), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_look_for_all),
	    cmocka_unit_test(a_user_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
