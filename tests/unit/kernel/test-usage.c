/* SPDX-License-Identifier: MIT */
/*
 * kernel/usage.c on simulated /proc and /sys trees. A null device stands for the disk and /dev/full
 * for its partition, so that links to them stand for descriptors. Nothing is mounted; needs no
 * root.
 *
 * Long: all cases share the functions that make these trees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/usage.h"
#include "skip.h"
#include "usage-fixture.h"

static int set_up(void **state)
{
	(void)state;
	begin_tree();
	file("sys/block/nbd0/dev", "1:3\n");
	file("sys/block/nbd0/nbd0p1/dev", "1:7\n");
	file("sys/block/nbd0/holders/.keep", "");
	file("proc/swaps", "Filename\tType\n");
	file("proc/self/mountinfo", "21 1 0:20 / /proc rw - proc proc rw\n");
	process(100, "init\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return tree_remove(top);
}

static void users_are(unsigned n, const char *sentence)
{
	struct usage u = {0};
	struct err err = {.message = ""};

	if (usage_find_at(proc, sys, md, 0, 0, &u, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(u.sentence, sentence);
	assert_int_equal(u.n, n);
}

static void nobody(void **state)
{
	(void)state;
	users_are(0, "");
}

static void a_mount_by_number(void **state)
{
	(void)state;
	file("proc/self/mountinfo", "21 1 0:20 / /proc rw - proc proc rw\n"
				    "22 1 1:7 / /mnt\\040a rw,noatime shared:1 - ext4 none rw\n");
	users_are(1, "/dev/nbd0p1 is mounted on \"/mnt a\"");
}

/* btrfs has a number of its own. */
static void a_mount_by_source(void **state)
{
	(void)state;
	file("proc/self/mountinfo", "22 1 0:50 /sub /a rw - btrfs /dev/null rw\n"
				    "23 1 0:50 /sub /b rw - btrfs /dev/null rw\n");
	users_are(2, "/dev/nbd0 is mounted on \"/a\"; /dev/nbd0 is mounted on \"/b\"");
}

/* Any user can mount them, with any source. */
static void claims_of_users(void **state)
{
	(void)state;
	file("proc/self/mountinfo", "22 1 0:50 / /a rw - tmpfs /dev/null rw\n"
				    "23 1 0:51 / /b rw - fuse.x /dev/null rw\n"
				    "24 1 0:52 / /c rw - fuse /dev/null rw\n"
				    "25 1 1:3 / /d rw - fuseblk /dev/null rw\n"
				    "26 1 0:53 / /e rw - btrfs /dev/null rw\n");
	file("proc/filesystems", "nodev\tsysfs\nnodev\ttmpfs\n\text4\n\tbtrfs\n\tfuseblk\n"
				 "nodev\tfuse\nnodev\tbtrfsx\n");
	users_are(2, "/dev/nbd0 is mounted on \"/d\"; /dev/nbd0 is mounted on \"/e\"");
}

static void hostile_mount_points(void **state)
{
	(void)state;
	file("proc/self/mountinfo", "22 1 1:3 / /\\033[2J\"\\012x rw - ext4 /dev/null rw\n");
	users_are(1, "/dev/nbd0 is mounted on \"/\\x1b[2J\\x22\\x0ax\"");
}

static void odd_mountinfo(void **state)
{
	(void)state;
	file("proc/self/mountinfo", "\n22\n22 1\n22 1 1:3\n22 1 1:3 / /mnt\n22 1 1:3 / /m rw\n"
				    "22 1 x:3 / /m rw - ext4 s rw\n22 1 0:9 / /m rw - ext4\n"
				    "22 1 0:9 / /m rw - ext4 /dev/");
	users_are(0, "");
}

static void swap_and_holders(void **state)
{
	(void)state;
	file("proc/swaps", "Filename\tType\n/dev/full   partition 1 0 -2\n/swapfile file 1 0 -2\n");
	file("sys/block/nbd0/holders/dm-0", "");
	file("sys/block/nbd0/nbd0p1/holders/md127", "");
	users_are(3, "/dev/nbd0 is part of dm-0; /dev/nbd0p1 is part of the RAID md127; "
		     "/dev/nbd0p1 is used for swap");
}

/* mdadm names them by links; the kernel only has a number. */
static void a_raid_by_its_link(void **state)
{
	(void)state;
	file("sys/block/nbd0/holders/md127", "");
	file("sys/block/md127/dev", "9:127\n");
	link_to("md/other", "../md12");
	link_to("md/data", "../md127");
	file("proc/self/mountinfo", "22 1 9:127 / /mnt rw - ext4 /dev/md127 rw\n");
	users_are(2, "/dev/nbd0 is part of the RAID /dev/md/data; "
		     "the RAID /dev/md/data is mounted on \"/mnt\"");
}

static void holder(const char *on, const char *dm, const char *number, const char *name,
		   const char *uuid)
{
	char path[96];

	snprintf(path, sizeof(path), "sys/block/%s/holders/%s", on, dm);
	file(path, "");
	snprintf(path, sizeof(path), "sys/block/%s/dev", dm);
	file(path, number);
	snprintf(path, sizeof(path), "sys/block/%s/dm/name", dm);
	file(path, name);
	snprintf(path, sizeof(path), "sys/block/%s/dm/uuid", dm);
	file(path, uuid);
}

/* What is on a device on top of the disk is on the disk. */
static void holders_by_name(void **state)
{
	(void)state;
	holder("nbd0", "dm-3", "253:3\n", "safe\n", "CRYPT-LUKS2-1f\n");
	holder("dm-3", "dm-4", "253:4\n", "my--group-the--data\n", "LVM-abc\n");
	holder("dm-4", "dm-5", "253:5\n", "plain\n", "CRYPT-PLAIN-plain\n");
	holder("dm-5", "dm-6", "253:6\n", "other\n", "\n");
	file("proc/self/mountinfo", "22 1 253:4 / /mnt rw - ext4 /dev/mapper/x rw\n");
	users_are(5, "/dev/nbd0 is part of the LUKS device safe; "
		     "the LUKS device safe is part of the logical volume my-group/the-data; "
		     "the logical volume my-group/the-data is part of the encrypted device plain; "
		     "the encrypted device plain is part of the device-mapper device other; "
		     "the logical volume my-group/the-data is mounted on \"/mnt\"");
}

/* A volume on two partitions is mounted once. */
static void a_holder_of_several(void **state)
{
	(void)state;
	holder("nbd0", "dm-3", "253:3\n", "vg-a\n", "LVM-abc\n");
	holder("nbd0/nbd0p1", "dm-3", "253:3\n", "vg-a\n", "LVM-abc\n");
	file("proc/self/mountinfo", "22 1 253:3 / /mnt rw - ext4 /dev/mapper/x rw\n");
	users_are(3, "/dev/nbd0 is part of the logical volume vg/a; "
		     "/dev/nbd0p1 is part of the logical volume vg/a; "
		     "the logical volume vg/a is mounted on \"/mnt\"");
}

/* The kernel writes a blank in a path as \\040. */
static void swap_on_a_path_with_a_blank(void **state)
{
	char link[128], line[256];

	(void)state;
	file("dev/.keep", "");
	snprintf(link, sizeof(link), "%s/dev/a swap", top);
	assert_int_equal(symlink("/dev/full", link), 0);
	snprintf(line, sizeof(line), "Filename\tType\n%s/dev/a\\040swap partition 1 0 -2\n", top);
	file("proc/swaps", line);
	users_are(1, "/dev/nbd0p1 is used for swap");
}

static void btrfs_over_several_devices(void **state)
{
	(void)state;
	file("sys/fs/btrfs/features/x", "");
	file("sys/fs/btrfs/7c8e/devices/nbd0", "");
	file("sys/fs/btrfs/ffff/devices/nbd01", "");
	users_are(1, "/dev/nbd0 is part of the btrfs 7c8e");
}

static void loop_devices(void **state)
{
	(void)state;
	file("sys/block/loop3/loop/backing_file", "/dev/null\n");
	file("sys/block/loop4/loop/backing_file", "/var/image\n");
	file("sys/block/loop5/size", "0\n");
	users_are(1, "/dev/nbd0 is the backing device of /dev/loop3");
}

static void open_descriptors(void **state)
{
	(void)state;
	process(123, "fio\n");
	link_to("proc/123/fd/5", "/dev/null");
	link_to("proc/123/fd/6", "/dev/full"); /* a process counts once */
	process(124, "a\tb\n");
	link_to("proc/124/fd/7", "/nothing");
	link_to("proc/124/fd/9", "/dev/full");
	/* The order of /proc is arbitrary: either clause may be first. */
	{
		struct usage u;

		assert_int_equal(usage_find_at(proc, sys, md, 0, 0, &u, NULL), 0);
		assert_int_equal(u.n, 2);
		assert_non_null(strstr(u.sentence, " is open in process 123 (\"fio\")"));
		assert_non_null(
		    strstr(u.sentence, "/dev/nbd0p1 is open in process 124 (\"a\\x09b\")"));
		assert_int_equal(usage_find_at(proc, sys, md, 0, 123, &u, NULL), 0);
		assert_int_equal(u.n, 1);
	}
}

static void ourselves_do_not_count(void **state)
{
	char path[64];

	(void)state;
	process(getpid(), "test\n");
	snprintf(path, sizeof(path), "proc/%d/fd/5", getpid());
	link_to(path, "/dev/null");
	users_are(0, "");
}

/*
 * A child of the process 2 that has no program is a thread of the kernel, and is not examined. In
 * another PID namespace 2 may be any process, and a program that the kernel starts is a child, too.
 */
static void kernel_threads(void **state)
{
	struct usage u = {0};

	(void)state;
	process(45, "kworker/0:0\n");
	link_to("proc/45/fd/5", "/dev/null");
	process(46, "modprobe\n");
	link_to("proc/46/exe", "/sbin/modprobe");
	process(2, "sh\n");
	link_to("proc/2/exe", "/bin/sh");
	process(47, "other\n");
	users_are(1, "/dev/nbd0 is open in process 45 (\"kworker/0:0\")");
	file("proc/2/task/2/children", "46 45 ");
	users_are(0, "");
	link_to("proc/46/fd/5", "/dev/null");
	users_are(1, "/dev/nbd0 is open in process 46 (\"modprobe\")");
	link_to("proc/2/fd/5", "/dev/null");
	link_to("proc/47/fd/5", "/dev/null");
	assert_int_equal(usage_find_at(proc, sys, md, 0, 0, &u, NULL), 0);
	assert_int_equal(u.n, 3);
}

/*
 * A process that reads a partition table for a supervisor is not a user, but only if it belongs to
 * root or to us.
 */
static void what_only_looks_does_not_count(void **state)
{
	char status[128];

	(void)state;
	process(123, "nbd-look\n");
	link_to("proc/123/fd/5", "/dev/null");
	users_are(1, "/dev/nbd0 is open in process 123 (\"nbd-look\")");
	snprintf(status, sizeof(status), "Name:\tnbd-look\nUmask:\t0022\nUid:\t%u\t0\t0\t0\n",
		 geteuid() + 1);
	file("proc/123/status", status);
	users_are(1, "/dev/nbd0 is open in process 123 (\"nbd-look\")");
	snprintf(status, sizeof(status), "Name:\tnbd-look\nPPid:\t%d\nUid:\t%u\t0\t0\t0\n",
		 getpid() + 1, geteuid() + 1);
	file("proc/123/status", status);
	users_are(1, "/dev/nbd0 is open in process 123 (\"nbd-look\")");
	/* Our own child reads identifiers under another account. */
	snprintf(status, sizeof(status), "Name:\tnbd-look\nPPid:\t%d\nUid:\t%u\t0\t0\t0\n",
		 getpid(), geteuid() + 1);
	file("proc/123/status", status);
	users_are(0, "");
	snprintf(status, sizeof(status), "Name:\tnbd-look2\nUid:\t%u\t0\t0\t0\n", geteuid());
	file("proc/123/status", status);
	users_are(1, "/dev/nbd0 is open in process 123 (\"nbd-look\")");
	snprintf(status, sizeof(status), "Name:\tnbd-look\nUid:\t%u\t0\t0\t0\n", geteuid());
	file("proc/123/status", status);
	users_are(0, "");
}

static void status(int pid, const char *name, int parent, unsigned uid)
{
	char path[64], text[128];

	snprintf(path, sizeof(path), "proc/%d/status", pid);
	snprintf(text, sizeof(text), "Name:\t%s\nPPid:\t%d\nUid:\t%u\t0\t0\t0\n", name, parent,
		 uid);
	file(path, text);
}

static void passing_are(unsigned passing, unsigned n)
{
	struct usage u;

	assert_int_equal(usage_find_at(proc, sys, md, 0, 0, &u, NULL), 0);
	assert_int_equal(u.n, n);
	assert_int_equal(u.passing, passing);
}

/* Workers of udev and their children soon close the device. Others may only have their name. */
static void udev_passes_by(void **state)
{
	(void)state;
	process(123, "(udev-worker)\n");
	link_to("proc/123/fd/5", "/dev/null");
	passing_are(0, 1);
	status(123, "(udev-worker)", 100, 0);
	passing_are(1, 1);
	process(124, "blkid\n");
	link_to("proc/124/fd/5", "/dev/full");
	status(124, "blkid", 125, 0);
	status(125, "sh", 123, 0);
	passing_are(2, 2);
	process(126, "fio\n");
	link_to("proc/126/fd/5", "/dev/full");
	status(126, "fio", 1, 0);
	passing_are(2, 3);
	status(123, "(udev-worker)", 100, 1000);
	passing_are(0, 3);
	status(123, "systemd-udevd", 100, 0);
	passing_are(2, 3);
	status(125, "sh", 124, 0); /* a circle, as after numbers were used again */
	passing_are(1, 3);
}

/* Another detach, which is soon over. */
static void a_claim_passes_by(void **state)
{
	(void)state;
	process(123, "nbd-claim\n");
	link_to("proc/123/fd/5", "/dev/null");
	status(123, "nbd-claim", 1, 0);
	passing_are(1, 1);
	status(123, "nbd-claim", 1, 1000);
	passing_are(geteuid() == 1000, 1);
	status(123, "nbd-claims", 1, 0);
	passing_are(0, 1);
}

static void mappings(void **state)
{
	(void)state;
	process(123, "qemu\n");
	file("proc/123/maps", "7f00-7f10 r--p 00000000 00:05 123 /lib/libc.so\n"
			      "7f20-7f30 rw-s 00000000 00:05 124   /dev/nbd0\n");
	link_to("proc/123/map_files/7f20-7f30", "/dev/null");
	users_are(1, "/dev/nbd0 is open in process 123 (\"qemu\")");
}

/* Copies of a mount in other namespaces count as one, and only if our namespace has none. */
static void other_mount_namespaces(void **state)
{
	(void)state;
	process(123, "a\n");
	file("proc/123/ns/mnt", "");
	file("proc/123/mountinfo", "22 1 1:3 / /x rw - ext4 /dev/null rw\n");
	users_are(1,
		  "/dev/nbd0 is mounted on \"/x\" (in the mount namespace of process 123 (\"a\"))");
	process(124, "b\n");
	file("proc/124/ns/mnt", "");
	file("proc/124/mountinfo", "22 1 1:3 / /x rw - ext4 /dev/null rw\n");
	file("proc/self/mountinfo", "22 1 1:3 / /y rw - ext4 /dev/null rw\n");
	users_are(1, "/dev/nbd0 is mounted on \"/y\"");
}

static void many_users_are_bounded(void **state)
{
	struct usage u;
	char path[64];

	(void)state;
	for (int pid = 200; pid < 300; pid++) {
		process(pid, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\n");
		snprintf(path, sizeof(path), "proc/%d/fd/5", pid);
		link_to(path, "/dev/null");
	}
	assert_int_equal(usage_find_at(proc, sys, md, 0, 0, &u, NULL), 0);
	assert_int_equal(u.n, 100);
	assert_non_null(strstr(u.sentence, "; and there are 94 more users"));
}

static void what_cannot_be_read(void **state)
{
	struct usage u = {.n = 7};
	struct err err;

	(void)state;
	assert_int_equal(usage_find_at(proc, sys, md, 1, 0, &u, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_int_equal(usage_find_at("/nonexistent", sys, md, 0, 0, &u, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/proc"));
	assert_int_equal(u.n, 7);
	/* This tree does not show its PID namespace. */
	assert_int_equal(usage_find_at(proc, sys, md, 0, 0, &u, &err), 0);
	assert_true(u.unsure);
}

/* In another mount namespace: the exit status says whether there is a doubt; 9: not possible. */
static int doubts_with_fuse(unsigned long flags)
{
	char where[80], options[80];
	struct usage u = {.n = 0};
	int fd, status = -1;
	struct err err;
	pid_t pid;

	snprintf(where, sizeof(where), "%s/fuse", top);
	mkdir(where, 0755);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
		snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=1,group_id=1", fd);
		if (fd < 0 || unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
		    mount("x", where, "fuse", flags, options) < 0)
			_exit(9);
		_exit(usage_find_at(proc, sys, md, 0, 0, &u, &err) < 0 ? 8 : u.unsure);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rmdir(where);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A mount that a user can make must not keep a device attached when its service is stopped. */
static void private_file_systems(void **state)
{
	char where[80];
	int doubts;

	(void)state;
	process(1, "init\n");
	link_to("proc/self/ns/pid", "/proc/self/ns/pid");
	doubts = doubts_with_fuse(MS_NOSUID | MS_NODEV);
	if (doubts == 9)
		skip_because("only root can mount, and FUSE is needed");
	if (doubts == 1)
		skip_because("this is not the first PID namespace");
	snprintf(where, sizeof(where), "%s/fuse", top);
	link_to("proc/100/fd/7", where);
	assert_int_equal(doubts_with_fuse(MS_NOSUID | MS_NODEV), 0);
	assert_int_equal(doubts_with_fuse(MS_NOSUID), 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(nobody),
	    CASE(a_mount_by_number),
	    CASE(a_mount_by_source),
	    CASE(claims_of_users),
	    CASE(hostile_mount_points),
	    CASE(odd_mountinfo),
	    CASE(swap_and_holders),
	    CASE(a_raid_by_its_link),
	    CASE(swap_on_a_path_with_a_blank),
	    CASE(btrfs_over_several_devices),
	    CASE(loop_devices),
	    CASE(open_descriptors),
	    CASE(ourselves_do_not_count),
	    CASE(kernel_threads),
	    CASE(what_only_looks_does_not_count),
	    CASE(holders_by_name),
	    CASE(a_holder_of_several),
	    CASE(udev_passes_by),
	    CASE(a_claim_passes_by),
	    CASE(mappings),
	    CASE(other_mount_namespaces),
	    CASE(private_file_systems),
	    CASE(many_users_are_bounded),
	    CASE(what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
