/* SPDX-License-Identifier: MIT */
/* base/proc-stat.c: processes of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc-stat.h"

/* It has a name that looks like the fields after it, and ends when the pipe is closed. */
static pid_t start(int *ret_end)
{
	int pair[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pair[1]);
		prctl(PR_SET_NAME, ") Z 1 (");
		(void)!read(pair[0], &byte, 1);
		_exit(0);
	}
	close(pair[0]);
	*ret_end = pair[1];
	return pid;
}

static void the_name_may_contain_anything(void **state)
{
	struct proc_stat stat = {.state = '?'};
	int end;
	pid_t pid = start(&end);

	(void)state;
	for (int i = 0; i < 500 && stat.state != 'S'; i++) {
		usleep(10000);
		assert_true(proc_stat_read(pid, &stat));
		assert_int_equal(stat.parent, getpid());
	}
	assert_int_equal(stat.state, 'S');
	close(end);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void an_ended_one_waits_to_be_reaped(void **state)
{
	struct proc_stat stat;
	siginfo_t info;
	int end;
	pid_t pid = start(&end);

	(void)state;
	close(end);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_true(proc_stat_read(pid, &stat));
	assert_int_equal(stat.state, 'Z');
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(proc_stat_read(pid, &stat));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_name_may_contain_anything),
	    cmocka_unit_test(an_ended_one_waits_to_be_reaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
