/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* kernel/tune.c on a simulated tree: what it sets, and in which process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"
#include "tree-fixture.h"

/* Requests in flight: none, one. */
#define STAT_IDLE "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
#define STAT_BUSY "0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0\n"

static char root[64];

static void write_attr(const char *name, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), "block/nbd0/%s", name);
	tree_put(root, path, value);
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
	strcpy(root, "/tmp/test-tune-XXXXXX");
	tree_make_device(root);
	write_attr("ro", "0\n");
	write_attr("queue/max_sectors_kb", "1280\n");
	write_attr("queue/write_cache", "write back\n");
	write_attr("queue/rotational", "0\n");
	write_attr("queue/write_zeroes_max_bytes", "0\n");
	write_attr("queue/discard_max_bytes", "4294966784\n");
	write_attr("queue/discard_granularity", "4096\n");
	write_attr("queue/discard_max_hw_bytes", "4294966784\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return tree_remove(root);
}

static bool becomes(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, 5000) == 1 && p.revents & events;
}

/* The settings of a queue that is frozen, as its server has died: the caller goes on. */
static void a_frozen_queue_is_not_waited_for(void **state)
{
	const struct tune tune = {.max_payload = 65536, .flags = 0};
	char path[256], text[8] = "";
	uint64_t start = loop_now(), limit = 0;
	struct err err;
	int reader;

	(void)state;
	write_attr("queue/rotational", "0");
	write_attr("queue/max_sectors_kb", "1280");
	assert_int_equal(tune_device_within_at(root, 0, &tune, 5000, &err), 0);
	assert_int_equal(sysfs_number_at(root, 0, "queue/max_sectors_kb", &limit), 0);
	assert_int_equal(limit, 64);
	snprintf(path, sizeof(path), "%s/block/nbd0/queue/rotational", root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(tune_device_within_at(root, 0, &tune, 300, &err), -ETIMEDOUT);
	assert_int_equal(err.kind, ERR_RETRY);
	assert_in_range(loop_now() - start, 290, 5000);
	/* And nothing is written later. */
	reader = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	assert_true(reader >= 0);
	assert_int_equal(write(reader, "1\n", 2), 2);
	assert_int_equal(usleep(300000), 0);
	assert_int_equal(read(reader, text, sizeof(text)), 2);
	close(reader);
}

/* What could not be set is told with its reason. */
static void a_refused_setting_is_told(void **state)
{
	const struct tune tune = {.flags = 0};
	struct err err;

	(void)state;
	write_attr("queue/max_sectors_kb", "1280");
	write_attr("ro", "1");
	assert_int_equal(tune_device_within_at(root, 0, &tune, 5000, &err), -EROFS);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_non_null(strstr(err.message, "was made read-only"));
}

/*
 * On a frozen queue, writing blocks, like opening a FIFO without a reader. It is not begun while a
 * request is under way.
 */
static void the_writer_of_io_timeout_keeps_no_descriptor(void **state)
{
	char path[256], text[8] = "";
	struct pollfd early = {.events = POLLIN};
	bool let_go, waited, too_early;
	int held[2], fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/block/nbd0/queue/io_timeout", root);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	write_attr("queue/iostats", "1\n");
	write_attr("stat", STAT_BUSY);
	tune_io_timeout_apart_at(root, 0, 1000);
	close(held[1]);
	let_go = becomes(held[0], POLLHUP);
	/* The process still exists, and ends when the FIFO is read. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	early.fd = fd;
	too_early = poll(&early, 1, 300) == 1 && early.revents & POLLIN;
	write_attr("stat", STAT_IDLE);
	waited = becomes(fd, POLLIN) && read(fd, text, sizeof(text) - 1) == 4;
	close(fd);
	close(held[0]);
	assert_true(let_go);
	assert_false(too_early);
	assert_true(waited);
	assert_string_equal(text, "1000");
}

/* Answers one look at a FIFO, if there is one within five seconds. */
static bool answer(const char *path, const char *text)
{
	int fd = -1;

	for (int i = 0; i < 250 && fd < 0; i++) {
		fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			usleep(20000);
	}
	if (fd < 0)
		return false;
	(void)!write(fd, text, strlen(text));
	close(fd);
	return true;
}

/* The next request of a busy device comes at once, so one idle look is enough. */
static void io_timeout_is_written_between_two_requests(void **state)
{
	char path[256];
	uint64_t written = 0;
	bool looked;

	(void)state;
	snprintf(path, sizeof(path), "%s/block/nbd0/stat", root);
	write_attr("queue/iostats", "1\n");
	write_attr("queue/io_timeout", "30000");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	tune_io_timeout_apart_at(root, 0, 1000);
	looked = answer(path, STAT_IDLE);
	for (int i = 0; i < 25 && written != 1000; i++) {
		usleep(20000);
		sysfs_number_at(root, 0, "queue/io_timeout", &written);
	}
	/* A writer that looks again goes on with the next test's file. */
	if (written != 1000)
		answer(path, STAT_BUSY);
	unlink(path);
	assert_true(looked);
	assert_int_equal(written, 1000);
}

/* The writer of an attachment that has ended leaves the next one alone. */
static void io_timeout_of_another_attachment_stays(void **state)
{
	char path[256];
	uint64_t now = 0;

	(void)state;
	write_attr("queue/iostats", "1\n");
	write_attr("queue/io_timeout", "30000");
	write_attr("stat", STAT_BUSY);
	write_attr("pid", "1\n");
	tune_io_timeout_apart_at(root, 0, 1000);
	usleep(100000);
	snprintf(path, sizeof(path), "%s/block/nbd0/pid", root);
	assert_int_equal(unlink(path), 0);
	usleep(100000);
	write_attr("stat", STAT_IDLE);
	usleep(200000);
	assert_int_equal(sysfs_number_at(root, 0, "queue/io_timeout", &now), 0);
	assert_int_equal(now, 30000);
}

/* A supervisor blocks SIGTERM; its writer, which may wait for minutes, ends at it. */
static void the_writer_can_be_ended(void **state)
{
	sigset_t term, old;
	siginfo_t end = {.si_pid = 0};
	char path[64];
	int pid = 0;
	FILE *f;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	write_attr("queue/iostats", "1\n");
	write_attr("stat", STAT_BUSY);
	tune_io_timeout_apart_at(root, 0, 1000);
	usleep(100000);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	assert_int_equal(kill(pid, SIGTERM), 0);
	for (int i = 0; i < 50 && !end.si_pid; i++) {
		usleep(20000);
		waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG);
	}
	if (!end.si_pid)
		kill(pid, SIGKILL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	assert_int_equal(end.si_pid, pid);
	assert_int_equal(end.si_status, SIGTERM);
}

/* The attachment is announced when it is written, but not much later if requests hold it up. */
static void io_timeout_is_written_in_time(void **state)
{
	struct tune tune = {.io_timeout_ms = 10000};
	uint64_t written, began;
	struct err err;

	(void)state;
	write_attr("queue/iostats", "1\n");
	write_attr("queue/max_sectors_kb", "128");
	write_attr("queue/io_timeout", "30000");
	write_attr("stat", STAT_IDLE);
	assert_int_equal(tune_device_within_at(root, 0, &tune, 5000, &err), 0);
	assert_int_equal(sysfs_number_at(root, 0, "queue/io_timeout", &written), 0);
	assert_int_equal(written, 10000);
	write_attr("stat", STAT_BUSY);
	began = loop_now();
	tune.io_timeout_ms = 20000;
	assert_int_equal(tune_device_within_at(root, 0, &tune, 5000, &err), 0);
	assert_in_range(loop_now() - began, TUNE_WAIT_MS, 10 * TUNE_WAIT_MS);
	assert_int_equal(sysfs_number_at(root, 0, "queue/io_timeout", &written), 0);
	assert_int_equal(written, 10000);
	/* The writer goes on, and ends. */
	write_attr("stat", STAT_IDLE);
	for (int i = 0; i < 500 && written != 20000; i++) {
		usleep(20000);
		sysfs_number_at(root, 0, "queue/io_timeout", &written);
	}
	assert_int_equal(written, 20000);
}

#define FLUSH_TRIM (NBD_TX_HAS_FLAGS | NBD_TX_SEND_FLUSH | NBD_TX_SEND_TRIM)

static void tune_with(uint32_t payload, uint16_t flags, bool enlarge)
{
	struct tune t = {.max_payload = payload, .flags = flags, .enlarge = enlarge};
	struct err err = {.message = ""};

	if (tune_device_at(root, 0, &t, &err) < 0)
		fail_msg("%s", err.message);
}

static void tune(uint32_t payload, uint16_t flags)
{
	tune_with(payload, flags, true);
}

static void requests_stay_within_the_payload(void **state)
{
	struct tune tiny = {.max_payload = 777, .flags = FLUSH_TRIM};
	struct err err;

	(void)state;
	assert_int_equal(tune_device_at(root, 0, &tiny, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_PERMANENT); /* the next server may be another one */
	assert_non_null(strstr(err.message, "at most 777 bytes"));
	attr_is("queue/max_sectors_kb", "1280");
	tune(0, FLUSH_TRIM); /* undeclared: 32 MiB */
	attr_is("queue/max_sectors_kb", "1280");
	tune(UINT32_MAX, FLUSH_TRIM);
	attr_is("queue/max_sectors_kb", "1280");
	tune(1280 * 1024, FLUSH_TRIM);
	attr_is("queue/max_sectors_kb", "1280");
	tune(1280 * 1024 - 1, FLUSH_TRIM);
	attr_is("queue/max_sectors_kb", "1279");
	write_attr("queue/max_sectors_kb", "65536\n");
	tune(0, FLUSH_TRIM);
	attr_is("queue/max_sectors_kb", "32768");
	write_attr("queue/max_sectors_kb", "64\n"); /* an earlier server's */
	tune(0, FLUSH_TRIM);
	attr_is("queue/max_sectors_kb", "128");
	write_attr("queue/max_sectors_kb", "64\n");
	tune(96 * 1024, FLUSH_TRIM);
	attr_is("queue/max_sectors_kb", "96");
}

/* Only a server that declares a maximum gets more than the driver's old 128 KiB. */
static void requests_grow_if_the_server_says_so(void **state)
{
	static const struct {
		uint32_t payload;
		const char *before, *after;
	} rows[] = {
	    {UINT32_MAX, "128", "1024"},   {32 << 20, "128", "1024"},  {1 << 20, "128", "1024"},
	    {(1 << 20) - 1, "128", "128"}, {0, "128", "128"},	       {0, "1024", "128"},
	    {1 << 20, "1024", "1024"},	   {64 << 10, "1024", "64"},   {32 << 20, "64", "1024"},
	    {32 << 20, "512", "512"},	   {32 << 20, "4096", "4096"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_attr("queue/max_sectors_kb", rows[i].before);
		tune(rows[i].payload, FLUSH_TRIM);
		attr_is("queue/max_sectors_kb", rows[i].after);
	}
	/* A driver whose own requests are large is left alone, and so is a limit of 1 MiB. */
	write_attr("queue/read_ahead_kb", "128");
	for (size_t i = 0; i < 2; i++) {
		write_attr("queue/max_sectors_kb", i ? "1280" : "1024");
		tune_with(32 << 20, FLUSH_TRIM, false);
		attr_is("queue/max_sectors_kb", i ? "1280" : "1024");
	}
	attr_is("queue/read_ahead_kb", "128");
}

static void what_was_set_for_speed_is_taken_back(void **state)
{
	(void)state;
	write_attr("queue/read_ahead_kb", "128");
	write_attr("queue/max_sectors_kb", "128");
	tune(32 << 20, FLUSH_TRIM);
	attr_is("queue/read_ahead_kb", "512");
	attr_is("queue/max_sectors_kb", "1024");
	tune_undo_at(root, 0);
	attr_is("queue/read_ahead_kb", "128");
	attr_is("queue/max_sectors_kb", "128");
	/* Somebody's own values stay. */
	write_attr("queue/read_ahead_kb", "64");
	write_attr("queue/max_sectors_kb", "1280");
	tune(32 << 20, FLUSH_TRIM);
	tune_undo_at(root, 0);
	attr_is("queue/read_ahead_kb", "64");
	attr_is("queue/max_sectors_kb", "1280");
}

static void leftovers_are_undone(void **state)
{
	(void)state;
	write_attr("queue/write_cache", "write through\n");
	write_attr("queue/rotational", "1\n");
	write_attr("queue/discard_max_bytes", "0\n");
	tune(0, FLUSH_TRIM);
	attr_is("queue/write_cache", "write back");
	attr_is("queue/rotational", "0");
	attr_is("queue/discard_max_bytes", "4294963200"); /* of 4096 bytes each */
	tune(0, NBD_TX_HAS_FLAGS | NBD_TX_ROTATIONAL);
	attr_is("queue/rotational", "1");
	/* A limit that somebody has set is left alone. */
	write_attr("queue/discard_max_bytes", "1048576\n");
	tune(0, FLUSH_TRIM);
	attr_is("queue/discard_max_bytes", "1048576");
	/* No unit, no discards. */
	write_attr("queue/discard_max_bytes", "0\n");
	write_attr("queue/discard_granularity", "0\n");
	tune(0, FLUSH_TRIM);
	attr_is("queue/discard_max_bytes", "0");
}

static void no_flush_no_write_back(void **state)
{
	(void)state;
	write_attr("queue/write_cache", "write through\n");
	tune(0, NBD_TX_HAS_FLAGS);
	attr_is("queue/write_cache", "write through");
}

static void what_cannot_be_undone_is_refused(void **state)
{
	struct tune t = {.flags = FLUSH_TRIM};
	struct err err;

	(void)state;
	write_attr("queue/write_zeroes_max_bytes", "4294966784\n");
	assert_int_equal(tune_device_at(root, 0, &t, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_SYSTEM);
	t.flags |= NBD_TX_SEND_WRITE_ZEROES;
	assert_int_equal(tune_device_at(root, 0, &t, &err), 0);

	write_attr("ro", "1\n");
	assert_int_equal(tune_device_at(root, 0, &t, &err), -EROFS);
	assert_non_null(strstr(err.message, "blockdev --setrw /dev/nbd0"));
	t.flags |= NBD_TX_READ_ONLY;
	assert_int_equal(tune_device_at(root, 0, &t, &err), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(a_frozen_queue_is_not_waited_for),
	    CASE(a_refused_setting_is_told),
	    CASE(the_writer_of_io_timeout_keeps_no_descriptor),
	    CASE(io_timeout_is_written_between_two_requests),
	    CASE(io_timeout_of_another_attachment_stays),
	    CASE(the_writer_can_be_ended),
	    CASE(io_timeout_is_written_in_time),
	    CASE(requests_stay_within_the_payload),
	    CASE(requests_grow_if_the_server_says_so),
	    CASE(what_was_set_for_speed_is_taken_back),
	    CASE(leftovers_are_undone),
	    CASE(no_flush_no_write_back),
	    CASE(what_cannot_be_undone_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
