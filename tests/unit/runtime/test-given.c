/* SPDX-License-Identifier: MIT */
/* runtime/given.c: who owns which descriptor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/given.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(taken_by_name),
	    cmocka_unit_test(refused_ones_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
