/* SPDX-License-Identifier: MIT */
/* runtime/given.c: who owns which descriptor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/given.h"
#include "runtime/linkname.h"

#define FIRST 200 /* no other descriptor of the test is as high */

static int new_fd(void)
{
	int fd = open("/dev/null", O_RDONLY); /* without close-on-exec, as a message brings it */

	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void taken_by_name(void **state)
{
	struct given g = {.n = 0};
	int a = new_fd(), b = new_fd(), c = new_fd();

	(void)state;
	assert_int_equal(given_add(&g, "lock", a, true), 0);
	assert_int_equal(given_add(&g, "link-7-1", b, true), 0);
	assert_int_equal(given_add(&g, "link-7-2", c, false), 0);
	assert_int_equal(fcntl(a, F_GETFD), FD_CLOEXEC);
	assert_int_equal(given_take(&g, "link-7-1"), b);
	assert_int_equal(given_take(&g, "link-7-1"), -1);
	assert_int_equal(g.n, 2);
	assert_string_equal(g.item[1].name, "link-7-2");
	assert_false(g.item[1].certain);
	assert_int_equal(given_take_at(&g, 0), a);
	assert_int_equal(g.item[0].fd, c);
	given_close(&g);
	assert_int_equal(g.n, 0);
	/* What was taken is the caller's. */
	assert_true(is_open(a) && is_open(b) && !is_open(c));
	close(a);
	close(b);
}

static void refused_ones_are_closed(void **state)
{
	static struct given g;
	char name[GIVEN_NAME_MAX + 1];
	int fd = new_fd();

	(void)state;
	assert_int_equal(given_add(&g, "", fd, true), -EINVAL);
	assert_false(is_open(fd));
	memset(name, 'x', GIVEN_NAME_MAX);
	name[GIVEN_NAME_MAX] = '\0';
	fd = new_fd();
	assert_int_equal(given_add(&g, name, fd, true), -EINVAL);
	assert_false(is_open(fd));
	name[GIVEN_NAME_MAX - 1] = '\0';
	for (int i = 0; i < GIVEN_MAX; i++)
		assert_int_equal(given_add(&g, name, new_fd(), true), 0);
	fd = new_fd();
	assert_int_equal(given_add(&g, "more", fd, true), -ENOSPC);
	assert_false(is_open(fd));
	given_close(&g);
	assert_int_equal(given_add(&g, "closed", fd, true), -EBADF);
	assert_int_equal(g.n, 0);
}

static void make_several(int n)
{
	for (int i = 0; i < n; i++) {
		int fd = new_fd();

		assert_int_equal(dup2(fd, FIRST + i), FIRST + i);
		close(fd);
	}
}

static void names_of_connections(void **state)
{
	static const struct linkname good[] = {
	    {0, 0}, {1, 2}, {4711, 0}, {UINT64_MAX, UINT64_MAX}, {0, UINT64_MAX},
	};
	static const char *const bad[] = {
	    "",
	    "link",
	    "link-",
	    "link-1",
	    "link-1-",
	    "link--1",
	    "link-1-2-3",
	    "link-1-2 ",
	    " link-1-2",
	    "Link-1-2",
	    "link-01-2",
	    "link-1-02",
	    "link-+1-2",
	    "link-1-0x2",
	    "link-18446744073709551616-1",
	    "link-1-18446744073709551616",
	    "link-1-99999999999999999999999999999999999999",
	    "stored",
	};
	struct linkname name = {7, 8};
	char buf[LINKNAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		linkname_write(&good[i], buf);
		assert_true(linkname_read(buf, &name));
		assert_int_equal(name.attachment, good[i].attachment);
		assert_int_equal(name.serial, good[i].serial);
	}
	assert_string_equal(buf, "link-0-18446744073709551615");
	name = (struct linkname){7, 8};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(linkname_read(bad[i], &name));
	assert_int_equal(name.attachment, 7);
	assert_int_equal(name.serial, 8);
}

static void words_of_the_environment(void **state)
{
	struct given g = {.n = 0};

	(void)state;
	make_several(4);
	given_from_words(&g, "4", "link-1-2::link-1-3", FIRST);
	assert_int_equal(g.n, 4);
	assert_string_equal(g.item[0].name, "link-1-2");
	assert_string_equal(g.item[1].name, "unknown");
	assert_string_equal(g.item[2].name, "link-1-3");
	assert_string_equal(g.item[3].name, "unknown");
	for (int i = 0; i < 4; i++) {
		assert_int_equal(g.item[i].fd, FIRST + i);
		assert_false(g.item[i].certain);
	}
	given_close(&g);

	given_from_words(&g, "", "a", FIRST);
	given_from_words(&g, "0", "a", FIRST);
	given_from_words(&g, "-1", "a", FIRST);
	given_from_words(&g, "1x", "a", FIRST);
	given_from_words(&g, "99999999999999999999", "a", FIRST);
	given_from_words(&g, "1", "a", FIRST); /* there is no such descriptor */
	assert_int_equal(g.n, 0);
}

static void descriptors_of_another_process(void **state)
{
	struct given g = {.n = 0};
	char pid[16];

	(void)state;
	if (!is_open(3)) /* where the first of them is */
		assert_int_equal(dup2(STDERR_FILENO, 3), 3);
	/* Those of another process are not ours: it may be our parent. */
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "link-1-2", 1);
	given_from_manager(&g);
	assert_int_equal(g.n, 0);
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
	assert_true(is_open(3));
	given_from_manager(&g);
	assert_int_equal(g.n, 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	given_from_manager(&g);
	assert_int_equal(g.n, 1);
	assert_int_equal(g.item[0].fd, 3);
	given_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(taken_by_name),
	    cmocka_unit_test(refused_ones_are_closed),
	    cmocka_unit_test(names_of_connections),
	    cmocka_unit_test(words_of_the_environment),
	    cmocka_unit_test(descriptors_of_another_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
