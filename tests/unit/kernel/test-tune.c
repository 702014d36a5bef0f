/* SPDX-License-Identifier: MIT */
/* When kernel/tune.c writes io_timeout, on a simulated tree. The rest of it is in test-sysfs.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"
#include "tree-fixture.h"

static char root[64];

static void write_attr(const char *name, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), "block/nbd0/%s", name);
	tree_put(root, path, value);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test-tune-XXXXXX");
	tree_make_device(root);
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
	write_attr("stat", "0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0\n");
	tune_io_timeout_apart_at(root, 0, 1000);
	close(held[1]);
	let_go = becomes(held[0], POLLHUP);
	/* The process still exists, and ends when the FIFO is read. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	early.fd = fd;
	too_early = poll(&early, 1, 300) == 1 && early.revents & POLLIN;
	write_attr("stat", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	waited = becomes(fd, POLLIN) && read(fd, text, sizeof(text) - 1) == 4;
	close(fd);
	close(held[0]);
	assert_true(let_go);
	assert_false(too_early);
	assert_true(waited);
	assert_string_equal(text, "1000");
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
	write_attr("stat", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	assert_int_equal(tune_device_within_at(root, 0, &tune, 5000, &err), 0);
	assert_int_equal(sysfs_number_at(root, 0, "queue/io_timeout", &written), 0);
	assert_int_equal(written, 10000);
	write_attr("stat", "0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0\n");
	began = loop_now();
	tune.io_timeout_ms = 20000;
	assert_int_equal(tune_device_within_at(root, 0, &tune, 5000, &err), 0);
	assert_in_range(loop_now() - began, TUNE_WAIT_MS, 10 * TUNE_WAIT_MS);
	assert_int_equal(sysfs_number_at(root, 0, "queue/io_timeout", &written), 0);
	assert_int_equal(written, 10000);
	/* The writer goes on, and ends. */
	write_attr("stat", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	for (int i = 0; i < 500 && written != 20000; i++) {
		usleep(20000);
		sysfs_number_at(root, 0, "queue/io_timeout", &written);
	}
	assert_int_equal(written, 20000);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(a_frozen_queue_is_not_waited_for),
	    CASE(a_refused_setting_is_told),
	    CASE(the_writer_of_io_timeout_keeps_no_descriptor),
	    CASE(io_timeout_is_written_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
