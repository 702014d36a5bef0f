/* SPDX-License-Identifier: MIT */
/* kernel/queue-reader.c: a FIFO without a writer stands for an attribute whose queue is frozen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/queue-reader.h"
#include "kernel/sysfs.h"
#include "tree-fixture.h"

static char root[64];

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/block/nbd0/%s", root, name);
	return path;
}

static void put(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "block/nbd0/%s", name);
	tree_put(root, path, value);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test-queue-XXXXXX");
	tree_make_device(root);
	put("queue/iostats", "1\n");
	put("stat", "1 0 0 0 2 0 0 0 3 0 0 4 0 0 0 5 0\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return tree_remove(root);
}

static void freeze(void)
{
	unlink(path_of("queue/iostats"));
	assert_int_equal(mkfifo(path_of("queue/iostats"), 0600), 0);
}

/* Lets the blocked reader go. */
static void thaw(const char *value)
{
	int fd = open(path_of("queue/iostats"), O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "9\n", 2), 2);
	close(fd);
	unlink(path_of("queue/iostats"));
	put("queue/iostats", value);
}

/* The reader is the only process that main() inherits. */
static void kill_reader(void)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	int pid = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void reads_and_refuses(void **state)
{
	char text[8], small[2], long_text[400];

	(void)state;
	assert_int_equal(
	    queue_reader_read(path_of("queue/iostats"), text, sizeof(text), QUEUE_READER_WAIT_MS),
	    0);
	assert_string_equal(text, "1");
	assert_int_equal(
	    queue_reader_read(path_of("queue/none"), text, sizeof(text), QUEUE_READER_WAIT_MS),
	    -ENOENT);
	assert_int_equal(
	    queue_reader_read(path_of("queue/iostats"), small, sizeof(small), QUEUE_READER_WAIT_MS),
	    -E2BIG);
	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	put("queue/long", long_text);
	assert_int_equal(queue_reader_read(path_of("queue/long"), long_text, sizeof(long_text),
					   QUEUE_READER_WAIT_MS),
			 -E2BIG);
}

/* The first look at a frozen queue waits a little, and no later one does. */
static void a_frozen_queue_blocks_nobody(void **state)
{
	struct sysfs_progress p;
	uint64_t value;

	(void)state;
	freeze();
	alarm(60);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(sysfs_progress_at(root, 0, &p), 0);
		assert_true(p.unknown);
		assert_false(p.counted);
		assert_false(sysfs_is_idle(&p));
		assert_int_equal(p.completed, 12);
		assert_int_equal(p.in_flight, 3);
	}
	alarm(0);
	assert_int_equal(sysfs_number_at(root, 0, "queue/iostats", &value), -EAGAIN);
	/* The answer to the blocked question is not taken for one to a later question. */
	thaw("0\n");
	assert_int_equal(sysfs_number_at(root, 0, "queue/iostats", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(sysfs_progress_at(root, 0, &p), 0);
	assert_false(p.unknown);
	assert_false(p.counted);
}

/* The blocked process keeps no descriptor of ours, such as a lock. */
static void the_reader_keeps_no_descriptor(void **state)
{
	struct pollfd p = {.events = POLLIN};
	struct sysfs_progress seen;
	int lock[2];
	uint64_t value;

	(void)state;
	kill_reader();
	assert_int_equal(pipe(lock), 0);
	freeze();
	assert_int_equal(sysfs_progress_at(root, 0, &seen), 0);
	close(lock[1]);
	p.fd = lock[0];
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_true(p.revents & POLLHUP);
	close(lock[0]);
	thaw("1\n");
	assert_int_equal(sysfs_number_at(root, 0, "queue/iostats", &value), 0);
	assert_int_equal(value, 1);
}

/* A reader that was killed is replaced. */
static void a_dead_reader_is_replaced(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(queue_reader_start(), 0);
	for (int i = 0; i < 3; i++) {
		kill_reader();
		assert_int_equal(sysfs_number_at(root, 0, "queue/iostats", &value), 0);
		assert_int_equal(value, 1);
	}
}

static bool reader_runs(void)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	int pid, n;

	assert_non_null(f);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	n = fscanf(f, "%d", &pid);
	fclose(f);
	return n == 1;
}

/* It is gone, unless it is blocked, and the next read starts another one. */
static void the_reader_ends(void **state)
{
	struct sysfs_progress seen;
	uint64_t value;

	(void)state;
	queue_reader_end();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sysfs_number_at(root, 0, "queue/iostats", &value), 0);
		assert_true(reader_runs());
		queue_reader_end();
		for (int ms = 0; ms < 1000 && reader_runs(); ms++)
			usleep(1000);
		assert_false(reader_runs());
	}
	freeze();
	assert_int_equal(sysfs_progress_at(root, 0, &seen), 0);
	alarm(60);
	queue_reader_end();
	alarm(0);
	assert_true(reader_runs());
	thaw("1\n");
	assert_int_equal(sysfs_number_at(root, 0, "queue/iostats", &value), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(reads_and_refuses),
	    CASE(a_frozen_queue_blocks_nobody),
	    CASE(the_reader_keeps_no_descriptor),
	    CASE(a_dead_reader_is_replaced),
	    CASE(the_reader_ends),
	};

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
