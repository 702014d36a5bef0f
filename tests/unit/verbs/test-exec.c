/* SPDX-License-Identifier: MIT */
/*
 * verbs/exec.c: signals that come before the command runs. What attaches and detaches is this
 * test's, so that they come at a certain moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "verbs/exec.c" /* verbs are not in the library */

static struct seen {
	volatile int attached, detached;
} * seen; /* by all processes */

static void (*while_attaching)(void);

/* In the child. */
int cmd_attach(const struct options *o)
{
	(void)o;
	while_attaching();
	seen->attached++;
	return 0;
}

int cmd_detach(const struct options *o)
{
	assert_string_equal(o->device, "nbd0");
	seen->detached++;
	return 0;
}

static void to_the_child(void)
{
	raise(SIGTERM);
}

/* It has come when kill() returns, or it is forwarded to us at once. */
static void to_the_parent(void)
{
	signal(SIGTERM, SIG_IGN);
	kill(getppid(), SIGTERM);
	usleep(100000);
}

static void interrupted(void)
{
	signal(SIGINT, SIG_IGN);
	kill(getppid(), SIGINT);
	usleep(100000);
}

static void hung_up(void)
{
	raise(SIGHUP);
	kill(getppid(), SIGHUP);
	usleep(100000);
}

static void nothing(void)
{
}

/* Its exit status, in a process of its own. */
static int run(void (*meanwhile)(void), bool nohup)
{
	static char command[] = "exit 7", device[] = "nbd0";
	const struct options o = {.exec = command, .device = device};
	int status;
	pid_t pid;

	while_attaching = meanwhile;
	*seen = (struct seen){0, 0};
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		signal(SIGHUP, nohup ? SIG_IGN : SIG_DFL);
		_exit(cmd_exec(&o));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void the_command_runs(void **state)
{
	(void)state;
	assert_int_equal(run(nothing, false), 7);
	assert_int_equal(seen->detached, 1);
}

/* Signals of the command that waits are not those of what attaches. */
static void what_attaches_can_be_ended(void **state)
{
	(void)state;
	assert_int_equal(run(to_the_child, false), 128 + SIGTERM);
	assert_int_equal(seen->attached, 0);
	assert_int_equal(seen->detached, 0);
}

/* The device was attached all the same. */
static void a_signal_prevents_the_command(void **state)
{
	(void)state;
	assert_int_equal(run(to_the_parent, false), 128 + SIGTERM);
	assert_int_equal(seen->attached, 1);
	assert_int_equal(seen->detached, 1);
	assert_int_equal(run(interrupted, false), 128 + SIGINT);
	assert_int_equal(seen->detached, 1);
}

static void what_is_ignored_stays_so(void **state)
{
	(void)state;
	assert_int_equal(run(hung_up, false), 128 + SIGHUP);
	assert_int_equal(seen->attached, 0);
	assert_int_equal(run(hung_up, true), 7);
	assert_int_equal(seen->detached, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_command_runs),
	    cmocka_unit_test(what_attaches_can_be_ended),
	    cmocka_unit_test(a_signal_prevents_the_command),
	    cmocka_unit_test(what_is_ignored_stays_so),
	};

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
