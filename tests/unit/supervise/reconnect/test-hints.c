/* SPDX-License-Identifier: MIT */
/* supervise/reconnect/hints.c: signs that a lost server may be back. */
#include "transport-fixture.h"

#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "supervise/reconnect/hints.h"
#include "skip.h"

static struct loop *loop;
static char dir[PATH_MAX], path[PATH_MAX + 16];

static unsigned told;
static char said[128];

static void on_hint(const char *what, void *arg)
{
	assert_ptr_equal(arg, &told);
	told++;
	snprintf(said, sizeof(said), "%s", what);
}

static int setup(void **state)
{
	(void)state;
	told = 0;
	said[0] = '\0';
	snprintf(dir, sizeof(dir), "/tmp/test-hints.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	loop = loop_new();
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	unlink(path);
	return rmdir(dir);
}

static void await_hint(void)
{
	for (int i = 0; i < 500 && !told; i++)
		loop_run_for(loop, 10);
	assert_int_not_equal(told, 0);
	assert_string_equal(said, "the server's socket appeared");
	loop_run_for(loop, 20);
	told = 0;
}

static void assert_no_hint(void)
{
	loop_run_for(loop, 50);
	assert_int_equal(told, 0);
}

static void touch(const char *name)
{
	char other[PATH_MAX + 32];
	int fd;

	snprintf(other, sizeof(other), "%s/%s", dir, name);
	fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(unlink(other), 0);
}

static void a_socket_that_appears_is_a_hint(void **state)
{
	struct hints *h = hints_new(loop, path, on_hint, &told);
	char other[PATH_MAX + 32];
	struct address at = unix_address(path);
	int fd;

	(void)state;
	assert_non_null(h);
	assert_no_hint();
	touch("sock");
	touch("socket2");
	assert_no_hint();

	fd = listen_at(&at, 1);
	await_hint();
	/* Renamed into place, or its mode set last. */
	snprintf(other, sizeof(other), "%s/temporary", dir);
	assert_int_equal(rename(path, other), 0);
	assert_no_hint();
	assert_int_equal(rename(other, path), 0);
	await_hint();
	assert_int_equal(chmod(path, 0600), 0);
	await_hint();
	unlink(path);
	assert_no_hint();
	hints_free(h);
	close(fd);
}

/* A user who may write to the directory decides how often files appear there. */
static void many_hints_are_few(void **state)
{
	struct hints *h = hints_new(loop, path, on_hint, &told);
	uint64_t since = loop_now(), took;

	(void)state;
	assert_non_null(h);
	for (int i = 0; i < 100; i++) {
		touch("socket");
		loop_run_for(loop, 5);
	}
	took = loop_now() - since;
	/* The first comes at once, and the last is not lost. */
	loop_run_for(loop, 150);
	assert_in_range(told, 2, took / 100 + 2);
	told = 0;
	assert_no_hint();
	hints_free(h);
}

/* A relative path, a directory that is not there: nothing to watch, and no error. */
static void what_cannot_be_watched_is_not(void **state)
{
	unsigned before = open_descriptors();
	char none[PATH_MAX + 32];
	struct hints *h;

	(void)state;
	h = hints_new(loop, "socket", on_hint, &told);
	assert_non_null(h);
	hints_free(h);
	snprintf(none, sizeof(none), "%s/none/socket", dir);
	h = hints_new(loop, none, on_hint, &told);
	assert_non_null(h);
	assert_no_hint();
	hints_free(h);
	h = hints_new(loop, "/socket", on_hint, &told);
	assert_non_null(h);
	hints_free(h);
	hints_free(NULL);
	assert_int_equal(open_descriptors(), before);
}

/* systemd's RuntimeDirectory= is removed when the service stops, and made again with it. */
static void a_directory_may_go_and_come_back(void **state)
{
	char sub[PATH_MAX + 32], deep[PATH_MAX + 32], gone[PATH_MAX + 32], inner[PATH_MAX + 64];
	unsigned before = open_descriptors();
	struct hints *h;

	(void)state;
	snprintf(sub, sizeof(sub), "%s/run", dir);
	snprintf(deep, sizeof(deep), "%s/run/server", dir);
	snprintf(gone, sizeof(gone), "%s/gone", dir);
	snprintf(inner, sizeof(inner), "%s/socket", deep);
	h = hints_new(loop, inner, on_hint, &told);
	assert_non_null(h);
	for (int round = 0; round < 3; round++) {
		struct address at = unix_address(inner);
		int fd;

		assert_int_equal(mkdir(sub, 0700), 0);
		if (round == 1)
			loop_run_for(loop, 20);
		assert_int_equal(mkdir(deep, 0700), 0);
		assert_no_hint();
		fd = listen_at(&at, 1);
		await_hint();
		assert_int_equal(unlink(inner), 0);
		assert_int_equal(rmdir(deep), 0);
		if (round == 2) {
			assert_int_equal(rename(sub, gone), 0);
			assert_no_hint();
			assert_int_equal(rmdir(gone), 0);
		} else {
			assert_int_equal(rmdir(sub), 0);
		}
		assert_no_hint();
		close(fd);
	}
	/* Everything happens before the loop runs. */
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(mkdir(deep, 0700), 0);
	{
		struct address at = unix_address(inner);
		int fd = listen_at(&at, 1);

		await_hint();
		close(fd);
	}
	hints_free(h);
	assert_int_equal(unlink(inner), 0);
	assert_int_equal(rmdir(deep), 0);
	assert_int_equal(rmdir(sub), 0);
	assert_int_equal(open_descriptors(), before);
}

/* Without a path, the network is watched, and only that. */
static void a_quiet_network_is_no_hint(void **state)
{
	unsigned before = open_descriptors();
	struct hints *h = hints_new(loop, NULL, on_hint, &told);

	(void)state;
	assert_non_null(h);
	assert_int_equal(open_descriptors(), before + 1);
	loop_run_for(loop, 20);
	hints_free(h);
	assert_int_equal(open_descriptors(), before);
}

/* Brings the loopback interface of this network namespace up or down. */
static void set_loopback(bool up)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &r), 0);
	close(fd);
}

/* In another network namespace: the watch stays there when the test returns to its own. */
static void a_network_that_comes_up_is_a_hint(void **state)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct hints *h;

	(void)state;
	if (home < 0 || unshare(CLONE_NEWNET) < 0) {
		close(home);
		skip_because("it takes root");
	}
	h = hints_new(loop, NULL, on_hint, &told);
	assert_no_hint();
	set_loopback(true);
	for (int i = 0; i < 500 && !told; i++)
		loop_run_for(loop, 10);
	assert_int_not_equal(told, 0);
	assert_int_equal(strncmp(said, "a network ", 10), 0);
	loop_run_for(loop, 100);
	told = 0;
	set_loopback(false); /* no server becomes reachable by that */
	assert_no_hint();
	hints_free(h);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
}

static struct hints *once;

static void free_it(const char *what, void *arg)
{
	(void)what;
	(void)arg;
	told++;
	hints_free(once);
	once = NULL;
}

/* The server is dialled at once and reached: the watch ends within its callback. */
static void a_hint_may_end_the_watch(void **state)
{
	struct address at = unix_address(path);
	int fd;

	(void)state;
	once = hints_new(loop, path, free_it, NULL);
	fd = listen_at(&at, 1);
	for (int i = 0; i < 500 && !told; i++)
		loop_run_for(loop, 10);
	assert_int_equal(told, 1);
	assert_null(once);
	close(fd);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_DIR(many_hints_are_few),
	    WITH_DIR(a_socket_that_appears_is_a_hint),
	    WITH_DIR(what_cannot_be_watched_is_not),
	    WITH_DIR(a_directory_may_go_and_come_back),
	    WITH_DIR(a_quiet_network_is_no_hint),
	    WITH_DIR(a_network_that_comes_up_is_a_hint),
	    WITH_DIR(a_hint_may_end_the_watch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
