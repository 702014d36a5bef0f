/* SPDX-License-Identifier: MIT */
#include "transport-fixture.h"

#include <poll.h>

#include "transport/attempt.h"
#include "transport/helpers.h"
#include "worker/worker.h"

static struct helpers *new_helpers(struct loop *loop, struct helpers_config cfg)
{
	struct helpers *h;
	struct err err;

	assert_int_equal(helpers_new(loop, &cfg, &h, &err), 0);
	return h;
}

static void fill(struct helpers *h)
{
	struct err err;

	assert_int_equal(helpers_fill(h, &err), 0);
}

static void await_ready(struct loop *loop, const struct helpers *h, size_t n)
{
	for (int i = 0; i < 250 && helpers_ready(h) != n; i++)
		loop_run_for(loop, 20);
	assert_int_equal(helpers_ready(h), n);
}

static void spares(void **state)
{
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.spares = 3});
	struct helper *w;
	struct err err;

	(void)state;
	assert_int_equal(helpers_spares(h), 0);
	fill(h);
	fill(h);
	assert_int_equal(helpers_spares(h), 3);
	await_ready(loop, h, 3);
	assert_int_equal(helpers_take(h, &w, &err), 0);
	assert_int_equal(helpers_ready(h), 2);
	helper_release(w);
	fill(h);
	assert_int_equal(helpers_spares(h), 3);
	await_ready(loop, h, 3);
	helpers_free(h);
	loop_free(loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void locked_in_memory(void **state)
{
	struct loop *loop = loop_new();
	struct helpers *h =
	    new_helpers(loop, (struct helpers_config){.spares = 1, .lock_memory = true});
	char path[64], line[128];
	long locked = 0;
	struct helper *w;
	struct err err;
	FILE *f;

	(void)state;
	if (geteuid() != 0) {
		helpers_free(h);
		loop_free(loop);
		skip();
	}
#if defined(__SANITIZE_ADDRESS__)
	helpers_free(h); /* terabytes of shadow */
	loop_free(loop);
	skip();
#endif
	fill(h);
	await_ready(loop, h, 1);
	assert_int_equal(helpers_take(h, &w, &err), 0);
	snprintf(path, sizeof(path), "/proc/%d/status", w->process.pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld", &locked);
	fclose(f);
	assert_true(locked > 0);
	helper_release(w);
	helpers_free(h);
	loop_free(loop);
}

/* The signals by which a terminal or a service manager ends a group leave a spare standing;
 * SIGKILL from outside is noticed. */
static void signals(void **state)
{
	static const int harmless[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.spares = 1});
	struct helper *w;
	struct err err;

	(void)state;
	assert_int_equal(helpers_take(h, &w, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		kill(w->process.pid, harmless[i]);
	{
		struct worker_answer a;
		struct pollfd p = {.fd = w->process.fd, .events = POLLIN};

		assert_int_equal(poll(&p, 1, 5000), 1);
		/* They may have come before the child ignored them: then take another. */
		if (worker_receive(w->process.fd, &a, sizeof(a)) == 1) {
			assert_int_equal(a.type, WORKER_READY);
			for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
				kill(w->process.pid, harmless[i]);
			p = (struct pollfd){.fd = w->process.pidfd, .events = POLLIN};
			assert_int_equal(poll(&p, 1, 100), 0);
		}
	}
	helper_release(w);
	fill(h);
	await_ready(loop, h, 1);
	helpers_free(h);
	loop_free(loop);
}

static void die_at_once(int fd, pid_t parent, const void *arg)
{
	(void)fd;
	(void)parent;
	(void)arg;
	raise(SIGKILL);
}

static void fail_to_confine(int fd, pid_t parent, const void *arg)
{
	static struct worker_answer a = {.type = WORKER_FAILED, .ret = -EPERM};

	(void)parent;
	(void)arg;
	a.err.kind = ERR_SYSTEM;
	strcpy(a.err.message, "this message is part of the test");
	(void)!send(fd, &a, sizeof(a), 0);
}

static void speak_twice(int fd, pid_t parent, const void *arg)
{
	static struct worker_answer a = {.type = WORKER_READY};

	(void)parent;
	(void)arg;
	(void)!send(fd, &a, sizeof(a), 0);
	(void)!send(fd, &a, sizeof(a), 0);
	for (;;)
		pause();
}

static void bad_spares_are_dropped(void **state)
{
	process_fn *const kinds[] = {die_at_once, fail_to_confine, speak_twice};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct loop *loop = loop_new();
		struct helpers *h =
		    new_helpers(loop, (struct helpers_config){.spares = 2, .worker = kinds[i]});

		fill(h);
		for (int n = 0; n < 250 && helpers_spares(h); n++)
			loop_run_for(loop, 20);
		assert_int_equal(helpers_spares(h), 0);
		helpers_free(h);
		loop_free(loop);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	}
}

struct family {
	pid_t spare, holder;
};

/* Starts a spare, and a process that keeps its socket open: the end of that is not what ends it. */
static void __attribute__((noreturn)) supervisor(int pipe_fd)
{
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.spares = 1});
	struct family f;
	struct helper *w;
	struct err err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fill(h);
	await_ready(loop, h, 1);
	f.holder = fork();
	if (f.holder == 0)
		for (;;)
			pause();
	if (helpers_take(h, &w, &err) == 0) {
		f.spare = w->process.pid;
		(void)!write(pipe_fd, &f, sizeof(f));
	}
	for (;;)
		pause();
}

/* Even when it is killed, nothing of a supervisor stays behind. */
static void they_die_with_their_parent(void **state)
{
	int pipe_fd[2], status = 0;
	pid_t parent, ended = 0;
	struct family f;

	(void)state;
	/* Orphans become ours to wait for. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
	parent = fork();
	if (parent == 0)
		supervisor(pipe_fd[1]);
	assert_int_equal(read(pipe_fd[0], &f, sizeof(f)), sizeof(f));
	usleep(50000);
	assert_int_equal(kill(f.spare, 0), 0);
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	for (int i = 0; i < 250 && ended == 0; i++) {
		usleep(20000);
		ended = waitpid(f.spare, &status, WNOHANG);
	}
	kill(f.spare, SIGKILL);
	kill(f.holder, SIGKILL);
	assert_int_equal(waitpid(f.holder, NULL, 0), f.holder);
	assert_int_equal(ended, f.spare);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* A spare spares a redial the fork. */
static void on_done(struct attempt *a, int ret, struct attempt_result *result,
		    const struct err *err, void *arg)
{
	(void)a;
	(void)result;
	(void)err;
	loop_stop(arg, ret);
}

static void refused_attempt_keeps_spares(void **state)
{
	struct loop *loop = loop_new();
	struct helpers *h = new_helpers(loop, (struct helpers_config){.spares = 1});
	struct endpoint e;
	struct attempt_config cfg = {.endpoint = &e, .timeout_ms = 1000, .helpers = h};
	struct attempt *a;
	struct err err;

	(void)state;
	endpoint_init(&e);
	e.host = strdup("127.0.0.1");
	e.port = unused_port("127.0.0.1");
	fill(h);
	await_ready(loop, h, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(attempt_new(loop, &cfg, on_done, NULL, loop, &a, &err), 0);
		assert_int_equal(loop_run(loop), -ECONNREFUSED);
		attempt_free(a);
		assert_int_equal(helpers_ready(h), 1);
	}
	helpers_free(h);
	loop_free(loop);
	endpoint_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(spares),
	    cmocka_unit_test(locked_in_memory),
	    cmocka_unit_test(signals),
	    cmocka_unit_test(bad_spares_are_dropped),
	    cmocka_unit_test(they_die_with_their_parent),
	    cmocka_unit_test(refused_attempt_keeps_spares),
	};

	return cmocka_run_group_tests_name("transport-helpers", tests, NULL, NULL);
}
