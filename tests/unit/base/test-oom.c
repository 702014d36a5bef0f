/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/oom.h"
#include "skip.h"

static int score(pid_t pid)
{
	char path[64];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &value), 1);
	fclose(f);
	return value;
}

/* Each case in a child, because the score stays. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int one_that_is_ended_sooner(void)
{
	if (oom_set("123") < 0)
		return 1;
	oom_be_ordinary(0);
	return score(getpid()) == 123 ? 0 : 2;
}

static void what_is_ended_sooner_stays_so(void **state)
{
	(void)state;
	assert_int_equal(in_child(one_that_is_ended_sooner), 0);
}

static int a_protected_one(void)
{
	if (oom_set("-17") < 0)
		return 1;
	oom_be_ordinary(0);
	return score(getpid()) == 0 ? 0 : 2;
}

static void protection_ends(void **state)
{
	(void)state;
	if (in_child(a_protected_one) == 1)
		skip_because("lowering the score takes privilege");
	assert_int_equal(in_child(a_protected_one), 0);
}

static void a_child_is_found_by_its_number(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		if (oom_set("-17") < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (!WIFSTOPPED(status))
		skip_because("lowering the score takes privilege");
	oom_be_ordinary(pid);
	assert_int_equal(score(pid), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_ended_sooner_stays_so),
	    cmocka_unit_test(protection_ends),
	    cmocka_unit_test(a_child_is_found_by_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
