/* SPDX-License-Identifier: MIT */
/* What a new program gets from the one that starts it; the stub starts real ones (renew.sh). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/succession/renewal.h"

static void the_environment(void **state)
{
	char block[] = "PATH=/bin\0WATCHDOG_USEC=30\0WATCHDOG_PID=7\0LISTEN_FDS=1\0LISTEN_PID=7\0"
		       "LISTEN_FDNAMES=a:b\0NOTIFY_SOCKET=@x\0NBD_ATTACH_HEIR=0\0EMPTY=";
	static const char *const wanted[] = {"PATH=/bin", "WATCHDOG_USEC=30", "NOTIFY_SOCKET=@x",
					     "EMPTY=", "NBD_ATTACH_HEIR=1"};
	char *words[8];

	(void)state;
	assert_int_equal(renewal_environment(block, sizeof(block), words, 8), 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(words[i], wanted[i]);
	assert_null(words[5]);
	assert_int_equal(renewal_environment(block, sizeof(block), words, 6), 5);
	assert_int_equal(renewal_environment(block, sizeof(block), words, 5), 0);
	assert_int_equal(renewal_environment(block, 0, words, 8), 1);
	assert_string_equal(words[0], "NBD_ATTACH_HEIR=1");
}

static void the_mark(void **state)
{
	(void)state;
	unsetenv("NBD_ATTACH_HEIR");
	assert_false(renewal_is_heir());
	setenv("NBD_ATTACH_HEIR", "1", 1);
	assert_true(renewal_is_heir());
	assert_false(renewal_is_heir());
}

static void ended(void *arg)
{
	loop_stop(arg, 7);
}

/* It starts the program of this test, which ends at once: see main(). */
static void the_new_process(void **state)
{
	struct loop *loop = loop_new();
	struct renewal *r;
	struct err err;

	(void)state;
	assert_false(renewal_is_upgrade());
	assert_int_equal(renewal_pid(NULL), 0);
	r = renewal_start(loop, ended, loop, &err);
	assert_non_null(r);
	assert_true(renewal_pid(r) > 0);
	assert_int_equal(waitpid(renewal_pid(r), NULL, 0), -1); /* it is not our child */
	assert_int_equal(errno, ECHILD);
	assert_int_equal(loop_run(loop), 7);
	renewal_free(r);
	renewal_free(NULL);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_environment),
	    cmocka_unit_test(the_mark),
	    cmocka_unit_test(the_new_process),
	};

	if (renewal_is_heir())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
