/* SPDX-License-Identifier: MIT */
/* The part alone, with real signals and its real socket in a run directory of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop-fixture.h"
#include "rundir-fixture.h"
#include "supervise/requests/requests.h"

#define INDEX 4000

static struct {
	struct loop *loop;
	struct attachment at;
	struct part_env env;
	struct requests *r;
	unsigned hurry, reload, terminate, asked;
	struct control_request request;
} f;

static void hurry(void *arg)
{
	assert_ptr_equal(arg, &f);
	f.hurry++;
	loop_stop(f.loop, 0);
}

static void reload(void *arg)
{
	assert_ptr_equal(arg, &f);
	f.reload++;
	loop_stop(f.loop, 0);
}

static void terminate(void *arg)
{
	(void)arg;
	f.terminate++;
	loop_stop(f.loop, 0);
}

static void asked(const struct control_request *request, void *arg)
{
	(void)arg;
	f.asked++;
	f.request = *request;
	loop_stop(f.loop, 0);
}

static int setup(void **state)
{
	static const struct requests_events events = {
	    .hurry = hurry, .reload = reload, .terminate = terminate, .asked = asked};
	struct err err;

	(void)state;
	memset(&f, 0, sizeof(f));
	f.loop = loop_new();
	attachment_init(&f.at, "here");
	f.at.index = INDEX;
	f.env = (struct part_env){.loop = f.loop, .at = &f.at};
	f.r = requests_new(&f.env, &events, &f);
	return f.r ? requests_listen(f.r, &err) : -1;
}

static int teardown(void **state)
{
	(void)state;
	requests_free(f.r);
	loop_free(f.loop);
	return 0;
}

static void signals(void **state)
{
	(void)state;
	assert_int_equal(kill(getpid(), SIGHUP), 0);
	loop_run_until_stopped(f.loop);
	assert_int_equal(f.hurry, 1);
	assert_int_equal(f.reload, 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	loop_run_until_stopped(f.loop);
	assert_int_equal(f.reload, 1);
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	loop_run_until_stopped(f.loop);
	assert_int_equal(kill(getpid(), SIGINT), 0);
	loop_run_until_stopped(f.loop);
	assert_int_equal(f.terminate, 2);
	assert_int_equal(f.hurry, 1);
	/* A closed peer makes write(2) fail, and does not end the supervisor. */
	assert_int_equal(kill(getpid(), SIGPIPE), 0);
	assert_int_equal(f.asked, 0);
}

/* A command in another process, which exits with the status of its answer. */
static pid_t ask(enum control_verb verb)
{
	const struct control_request request = {.verb = verb, .force = true};
	pid_t pid = fork();
	struct err err;
	int status = 99;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (control_ask(INDEX, &request, PATIENCE_MS, &status, &err) < 0 ||
		    strcmp(err.message, "the first") != 0)
			status = 98;
		_exit(status);
	}
	return pid;
}

static void assert_status(pid_t pid, int status)
{
	int how;

	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	assert_int_equal(WEXITSTATUS(how), status);
}

/* An answer may be set long before it is sent, and the first one counts. */
static void one_answer_a_command(void **state)
{
	pid_t pid = ask(CONTROL_DETACH);

	(void)state;
	loop_run_until_stopped(f.loop);
	assert_int_equal(f.asked, 1);
	assert_int_equal(f.request.verb, CONTROL_DETACH);
	assert_true(f.request.force);
	requests_send(f.r); /* there is no answer yet */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	requests_answer(f.r, 3, "the first");
	requests_answer(f.r, 0, "the second");
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	requests_send(f.r);
	assert_status(pid, 3);
	/* The next command gets its own answer. */
	pid = ask(CONTROL_RESIZE);
	loop_run_until_stopped(f.loop);
	requests_answer(f.r, 7, "the first");
	requests_send(f.r);
	assert_status(pid, 7);
}

static void nobody_asked(void **state)
{
	(void)state;
	requests_answer(f.r, 0, "for nobody");
	requests_send(f.r);
	requests_send(NULL);
	requests_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(signals, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_answer_a_command, setup, teardown),
	    cmocka_unit_test_setup_teardown(nobody_asked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, rundir_remove_own);
}
