/* SPDX-License-Identifier: MIT */
/*
 * captive/children.c and what strays.c does with it, on a kernel that lists children and on one
 * that does not: this program's openat() hides the list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "captive/children.h"
#include "captive/strays.h"

/* <fcntl.h> may have functions in place of it. */
int openat(int dir, const char *path, int flags, ...);

static bool hidden, asked;

int openat(int dir, const char *path, int flags, ...)
{
	unsigned mode;
	va_list more;

	va_start(more, flags);
	mode = va_arg(more, unsigned);
	va_end(more);
	if (strstr(path, "/children")) {
		asked = true;
		if (hidden) {
			errno = ENOENT;
			return -1;
		}
	}
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

/* Stays until a signal comes; a leader has a child of its own. */
static pid_t start(bool leads)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (leads ? setpgid(0, 0) < 0 : setsid() < 0)
			_exit(1);
		if (leads && fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
			close(ready[0]);
			close(ready[1]);
			for (;;)
				pause();
		}
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

struct seen {
	pid_t pid[16];
	size_t n;
};

static void see(pid_t pid, void *arg)
{
	struct seen *s = arg;

	assert_true(s->n < 16);
	s->pid[s->n++] = pid;
}

static bool has(const struct seen *s, pid_t pid)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->pid[i] == pid)
			return true;
	return false;
}

static void both_ways(void (*test)(void))
{
	for (int i = 0; i < 2; i++) {
		hidden = i;
		asked = false;
		test();
		assert_true(asked);
	}
}

static void see_each(void)
{
	pid_t leader = start(true), other = start(false), ended = fork();
	struct seen s = {.n = 0};
	siginfo_t info;

	if (ended == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)ended, &info, WEXITED | WNOWAIT), 0);
	children_each(see, &s);
	assert_int_equal(s.n, 3);
	assert_true(has(&s, leader) && has(&s, other) && has(&s, ended));
	strays_end(leader, 1000, NULL, NULL);
}

static void each_child_is_seen(void **state)
{
	(void)state;
	both_ways(see_each);
}

static void end_all(void)
{
	pid_t leader = start(true);

	start(false);
	/* The leader's child is ours once that has ended. */
	assert_in_range(strays_end(leader, 1000, NULL, NULL), 2, 3);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void strays_are_ended(void **state)
{
	(void)state;
	both_ways(end_all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strays_are_ended),
	    cmocka_unit_test(each_child_is_seen),
	};

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests_name("children", tests, NULL, NULL);
}
