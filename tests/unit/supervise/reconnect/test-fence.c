/* SPDX-License-Identifier: MIT */
/*
 * supervise/reconnect/fence.c, with real commands: how they end, their environment, and that none
 * is left.
 */
#include "transport-fixture.h"

#include "supervise/reconnect/fence.h"

static struct loop *loop;
static struct fence *fence;
static struct {
	unsigned calls;
	int ret;
	struct err err;
} got;

static char dir[] = "/tmp/test-fence-XXXXXX";

static void on_end(int ret, const struct err *err, void *arg)
{
	assert_ptr_equal(arg, &got);
	got.calls++;
	got.ret = ret;
	if (ret < 0)
		got.err = *err;
	fence_free(TAKE_PTR(fence));
}

static void start(const char *command, uint32_t timeout_ms)
{
	const struct fence_config cfg = {
	    .command = command,
	    .index = 12,
	    .failed_uri = "nbd://a/$(touch bad)",
	    .next_uri = "nbd://b/",
	    .timeout_ms = timeout_ms,
	};
	struct err err;

	memset(&got, 0, sizeof(got));
	if (fence_new(loop, &cfg, on_end, &got, &fence, &err) != 0)
		fail_msg("%s", err.message);
	assert_int_equal(got.calls, 0);
}

static void await_end(void)
{
	for (int i = 0; i < 1000 && got.calls == 0; i++)
		loop_run_for(loop, 10);
	assert_int_equal(got.calls, 1);
}

static int setup(void **state)
{
	(void)state;
	unlink("out");
	loop = loop_new();
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void test_success(void **state)
{
	char text[256] = "";
	_cleanup_fd_ int fd = -1;

	(void)state;
	start("echo \"$NBD_DEVICE $NBD_FAILED_URI $NBD_NEXT_URI\" >out", 10000);
	await_end();
	assert_int_equal(got.ret, 0);
	fd = open("out", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "/dev/nbd12 nbd://a/$(touch bad) nbd://b/\n");
	assert_int_equal(access("bad", F_OK), -1);
}

static void fails(const char *command, uint32_t timeout_ms, const char *says)
{
	start(command, timeout_ms);
	await_end();
	assert_true(got.ret < 0);
	assert_int_equal(got.err.kind, ERR_RETRY);
	assert_string_equal(got.err.message, says);
}

static void test_failure(void **state)
{
	(void)state;
	fails("exit 7", 10000, "the --fence command ended with status 7");
	fails("/nonexistent/fence 2>/dev/null", 10000, "the --fence command ended with status 127");
	fails("kill -TERM $$", 10000, "the --fence command was killed by signal 15");
}

/* The process ID that the command has written; that process must end soon. */
static void assert_killed(void)
{
	char text[32] = "", path[64];

	for (int i = 0; i < 500; i++) {
		_cleanup_fd_ int fd = open("out", O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 1)
			break;
		loop_run_for(loop, 10);
	}
	assert_true(atoi(text) > 1);
	fence_free(TAKE_PTR(fence));
	snprintf(path, sizeof(path), "/proc/%d/fd/0", atoi(text)); /* a zombie has none */
	for (int i = 0; i < 500 && access(path, F_OK) == 0; i++)
		loop_run_for(loop, 10);
	assert_int_equal(access(path, F_OK), -1);
}

static void assert_reaped(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Including its children, and also if it ignores signals. */
static void test_timeout(void **state)
{
	(void)state;
	fails("trap '' TERM INT HUP; sleep 600 & echo $! >out; wait", 1000,
	      "the --fence command was killed, as it had not ended after 1 s");
	assert_reaped();
	assert_killed();
}

static void test_given_up(void **state)
{
	(void)state;
	start("sleep 600 & echo $! >out; wait", 60000);
	assert_killed();
	assert_reaped();
	assert_int_equal(got.calls, 0);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink("out");
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_success, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_given_up, setup, teardown),
	};

#if defined(FOR_VALGRIND)
	/* It knows no pidfds (base/process-watch.h), without which no command is followed. */
	return 0;
#endif
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
