/* SPDX-License-Identifier: MIT */
/* The process that opens and flushes a device. A file in a private /dev stands for the device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel/claim.h"
#include "kernel/sysfs.h"
#include "skip.h"

#define PRESENT 7
#define MISSING 8
#define LIMIT	10000 /* ms: far more than any step needs */

static bool own_dev;

static bool ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, LIMIT) == 1;
}

/* Waits for the result. */
static int finish(struct claim *c, struct err *err)
{
	assert_true(ready(claim_fd(c)));
	return claim_finish(c, err);
}

/* 0, or -errno of a lock on the device. */
static int lock(void)
{
	int fd = open("/dev/nbd7", O_RDWR | O_CLOEXEC), ret;

	assert_true(fd >= 0);
	ret = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static void nothing_was_started(void **state)
{
	struct claim c;

	(void)state;
	claim_init(&c);
	assert_int_equal(c.pid, 0);
	claim_release(&c);
	claim_release(&c);
}

static void a_device_that_is_missing_is_named(void **state)
{
	struct claim c;
	struct err err;

	(void)state;
	claim_init(&c);
	assert_int_equal(claim_start(MISSING, false, true, &c, &err), 0);
	assert_true(c.pid > 0);
	assert_true(finish(&c, &err) < 0);
	assert_int_equal(err.kind, ERR_FAILED);
	assert_non_null(strstr(err.message, "cannot open /dev/nbd8"));
	claim_release(&c);
}

static void what_cannot_be_started_is_an_error(void **state)
{
	struct rlimit before;
	struct claim c;
	struct err err = {.message = ""};
	int started, looked, first;

	(void)state;
	claim_init(&c);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max}), 0);
	started = claim_start(MISSING, false, true, &c, &err);
	looked = claim_look(MISSING, &c, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(started, -EMFILE);
	assert_int_equal(looked, -EMFILE);
	assert_non_null(strstr(err.message, "cannot start a process"));
	claim_release(&c);

	/* Enough descriptors for the process, and none to show which one it is. */
	first = open("/", O_PATH | O_CLOEXEC);
	close(first);
	assert_int_equal(
	    setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)first + 4, before.rlim_max}), 0);
	started = claim_start(MISSING, false, true, &c, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(started, -EMFILE);
	claim_release(&c);
}

/* Until the claim is released. */
static void a_device_is_held(void **state)
{
	struct claim c;
	struct err err;
	int ended;

	(void)state;
	if (!own_dev)
		skip_because("a /dev of its own takes root");
	claim_init(&c);
	assert_int_equal(claim_start(PRESENT, false, true, &c, &err), 0);
	assert_int_equal(finish(&c, &err), 0);
	assert_int_equal(lock(), -EWOULDBLOCK);
	assert_int_equal(claim_finish(&c, &err), -EAGAIN); /* the result is reported once */
	ended = dup(claim_ended_fd(&c));
	claim_release(&c);
	assert_true(ready(ended));
	close(ended);
	assert_int_equal(lock(), 0);
}

/* It may hang for a long time: a lock or a connection that it had would stay for that time, too. */
static void it_has_no_other_descriptors(void **state)
{
	int fd, others[2], n = 0;
	struct claim c;
	struct err err;
	char path[64];
	DIR *d;

	(void)state;
	if (!own_dev)
		skip_because("a /dev of its own takes root");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, others), 0);
	fd = fcntl(others[0], F_DUPFD_CLOEXEC, 200);
	claim_init(&c);
	assert_int_equal(claim_start(PRESENT, false, true, &c, &err), 0);
	assert_int_equal(finish(&c, &err), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd", c.pid);
	d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	assert_int_equal(n, 2); /* its socket and the device */
	claim_release(&c);
	close(fd);
	close(others[0]);
	close(others[1]);
}

/* The disk's own fsync(2) does not reach what was written to a partition. */
static void a_partition_that_cannot_be_flushed_is_an_error(void **state)
{
	struct claim c;
	struct err err;
	int ret;

	(void)state;
	if (!own_dev || mount("tmpfs", "/sys", "tmpfs", 0, NULL) < 0)
		skip_because("a /dev and a /sys of its own take root");
	mkdir("/sys/block", 0755);
	mkdir("/sys/block/nbd7", 0755);
	mkdir("/sys/block/nbd7/nbd7p1", 0755);
	/* Nothing of this one can be written back: the kernel refuses that. */
	ret = mknod("/dev/nbd7p1", S_IFCHR | 0600, makedev(1, 3));
	if (ret == 0) {
		claim_init(&c);
		assert_int_equal(claim_start(PRESENT, false, true, &c, &err), 0);
		assert_int_equal(finish(&c, &err), -ESPIPE);
		assert_non_null(strstr(err.message, "could not be flushed"));
		claim_release(&c);
		assert_int_equal(unlink("/dev/nbd7p1"), 0);
	}
	assert_int_equal(umount("/sys"), 0);
	if (ret < 0)
		skip_because("no device node can be made");
}

static void a_look_ends_by_itself(void **state)
{
	struct claim c;
	struct err err;

	(void)state;
	if (!own_dev)
		skip_because("a /dev of its own takes root");
	claim_init(&c);
	assert_int_equal(claim_look(PRESENT, &c, &err), 0);
	assert_true(ready(claim_ended_fd(&c)));
	assert_int_equal(claim_finish(&c, &err), 0);
	claim_release(&c);
	assert_int_equal(claim_look(MISSING, &c, &err), 0);
	assert_true(finish(&c, &err) < 0);
	claim_release(&c);
}

static void a_killed_process_is_told_of(void **state)
{
	struct claim c;
	struct err err;

	(void)state;
	if (!own_dev)
		skip_because("a /dev of its own takes root");
	claim_init(&c);
	assert_int_equal(claim_start(PRESENT, true, false, &c, &err), 0);
	assert_int_equal(finish(&c, &err), 0);
	kill(c.pid, SIGKILL);
	assert_true(ready(claim_fd(&c)));
	assert_true(claim_finish(&c, &err) < 0);
	assert_non_null(strstr(err.message, "flushes /dev/nbd7 was killed"));
	claim_release(&c);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* The file with the number of references belongs to the test: see kernel/openers.h. */
static void a_claim_knows_whether_it_is_alone(void **state)
{
	static const struct {
		const char *references;
		bool exclusive, alone;
	} table[] = {
	    {"2\n", true, true},   /* the attachment, and the claim */
	    {"3\n", true, false},  /* somebody else */
	    {"1\n", true, false},  /* a driver that counts in another way */
	    {"2\n", false, false}, /* a mount can follow */
	};
	struct err err;

	(void)state;
	if (!own_dev)
		skip_because("a /dev of its own takes root");
	put("/sys/block/nbd7/pid", "77\n");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct claim c;

		claim_init(&c);
		put("/sys/module/nbd/refcnt", table[i].references);
		assert_int_equal(claim_start(PRESENT, false, table[i].exclusive, &c, &err), 0);
		assert_false(c.alone);
		assert_int_equal(finish(&c, &err), 0);
		/* An earlier kernel counts the opens of one device as one. */
		if (c.alone != (table[i].alone && sysfs_kernel_since(6, 1)))
			fail_msg("case %zu", i);
		claim_release(&c);
		assert_int_equal(claim_look(PRESENT, &c, &err), 0);
		assert_int_equal(finish(&c, &err), 0);
		assert_false(c.alone);
		claim_release(&c);
	}
}

static int make_dev(void **state)
{
	int fd;

	(void)state;
	own_dev = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
		  mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0 &&
		  mount("tmpfs", "/dev", "tmpfs", 0, NULL) == 0 &&
		  mount("tmpfs", "/sys", "tmpfs", 0, NULL) == 0 && mkdir("/sys/block", 0700) == 0 &&
		  mkdir("/sys/block/nbd7", 0700) == 0 && mkdir("/sys/module", 0700) == 0 &&
		  mkdir("/sys/module/nbd", 0700) == 0;
	if (!own_dev)
		return 0;
	fd = open("/dev/nbd7", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	return fd < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_was_started),
	    cmocka_unit_test(a_device_that_is_missing_is_named),
	    cmocka_unit_test(what_cannot_be_started_is_an_error),
	    cmocka_unit_test(a_device_is_held),
	    cmocka_unit_test(it_has_no_other_descriptors),
	    cmocka_unit_test(a_partition_that_cannot_be_flushed_is_an_error),
	    cmocka_unit_test(a_claim_knows_whether_it_is_alone),
	    cmocka_unit_test(a_look_ends_by_itself),
	    cmocka_unit_test(a_killed_process_is_told_of),
	};

	return cmocka_run_group_tests(tests, make_dev, NULL);
}
