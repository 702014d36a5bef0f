/* SPDX-License-Identifier: MIT */
/* supervise/report/announce.c: --on-change, with real commands. */
#include "transport-fixture.h"

#include "base/log.h"
#include "supervise/report/announce.h"

#include <dlfcn.h>
#include <sys/resource.h>

static unsigned forks_fail; /* so many calls from now on */

/* Replaces that of the C library. */
pid_t fork(void)
{
	pid_t (*real)(void) = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");

	if (forks_fail == 0)
		return real();
	forks_fail--;
	errno = EAGAIN;
	return -1;
}

static char dir[] = "/tmp/test-announce-XXXXXX";
static struct loop *loop;
static char text[65536];

/* A file of the test's directory as text; "" if there is none. */
static const char *contents(const char *name)
{
	_cleanup_fd_ int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static unsigned lines(const char *name)
{
	unsigned n = 0;

	for (const char *p = contents(name); *p; p++)
		n += *p == '\n';
	return n;
}

static void await_lines(const char *name, unsigned n)
{
	for (int i = 0; i < 1000 && lines(name) < n; i++)
		loop_run_for(loop, 10);
	assert_int_equal(lines(name), n);
}

static void change(struct announce *a, const char *from, const char *to, const char *reason)
{
	const struct announce_change c = {
	    .index = 12,
	    .from = from,
	    .to = to,
	    .address = "127.0.0.1:10809",
	    .reason = reason,
	    .name = "data",
	    .outage_ms = 1500,
	};

	announce_change(a, &c);
}

static int setup(void **state)
{
	(void)state;
	unlink("out");
	unlink("gate");
	unlink("log");
	loop = loop_new();
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	return 0;
}

/* A reason is foreign text: it is passed in the environment, where no shell parses it. */
static void the_environment_tells_what_happened(void **state)
{
	struct announce *a =
	    announce_new(loop, "echo "
			       "\"$NBD_DEVICE|$NBD_OLD_STATE|$NBD_STATE|$NBD_SERVER|$NBD_REASON|$"
			       "NBD_NAME|$NBD_OUTAGE_MS\" >>out");
	char reason[] = "it's \"$(touch gate)\" `touch gate`; touch gate";

	(void)state;
	assert_non_null(a);
	change(a, "attached", "lost", reason);
	memset(reason, 'x', sizeof(reason) - 1); /* it was copied */
	await_lines("out", 1);
	change(a, "lost", "attached", "");
	await_lines("out", 2);
	assert_string_equal(contents("out"),
			    "/dev/nbd12|attached|lost|127.0.0.1:10809|it's \"$(touch gate)\" "
			    "`touch gate`; touch gate|data|1500\n"
			    "/dev/nbd12|lost|attached|127.0.0.1:10809||data|1500\n");
	assert_int_equal(access("gate", F_OK), -1);
	announce_flush(a, 5000);
	announce_free(a);
}

static void one_runs_at_a_time_and_in_order(void **state)
{
	/* The first takes longest; a second one beside it would find the directory. */
	struct announce *a = announce_new(
	    loop, "mkdir busy || echo two >>out; [ $NBD_STATE != s0 ] || sleep 0.2; rmdir busy; "
		  "echo $NBD_STATE >>out");
	static const char *const names[] = {"s0", "s1", "s2", "s3", "s4"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		change(a, "x", names[i], "");
	await_lines("out", 5);
	assert_string_equal(contents("out"), "s0\ns1\ns2\ns3\ns4\n");
	announce_flush(a, 5000);
	announce_free(a);
}

/* Where no process can be started for a moment, the changes wait, and none is lost. */
static void a_failed_start_is_tried_again(void **state)
{
	struct announce *a = announce_new(loop, "echo $NBD_STATE >>out");

	(void)state;
	forks_fail = 2;
	change(a, "x", "s0", "");
	change(a, "s0", "s1", "");
	await_lines("out", 2);
	assert_string_equal(contents("out"), "s0\ns1\n");
	/* At the end of the supervisor as well. */
	announce_flush(a, 5000);
	forks_fail = 3;
	change(a, "s1", "s2", "");
	announce_flush(a, 5000);
	assert_int_equal(forks_fail, 0);
	assert_string_equal(contents("out"), "s0\ns1\ns2\n");
	announce_free(a);
}

/* No descriptor is left: the command runs, its end is noticed, and the next one runs. */
static void a_command_without_a_descriptor(void **state)
{
	struct announce *a = announce_new(loop, "echo $NBD_STATE >>out");
	struct rlimit old, few = {.rlim_cur = 64};
	bool own[64] = {false};
	int fd;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
		own[fd] = true;
	change(a, "x", "s0", "");
	change(a, "s0", "s1", "");
	for (fd = 0; fd < 64; fd++)
		if (own[fd])
			close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	await_lines("out", 2);
	assert_string_equal(contents("out"), "s0\ns1\n");
	announce_flush(a, 5000);
	announce_free(a);
}

/* The queue is bounded; the newest change is always reported. */
static void the_oldest_of_too_many_are_dropped(void **state)
{
	struct announce *a =
	    announce_new(loop, "while ! [ -e gate ]; do sleep 0.05; done; echo $NBD_STATE >>out");
	static char names[30][8];
	unsigned first = 0, last = 0;
	int fd;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(names[i], sizeof(names[i]), "s%zu", i);
		change(a, "x", names[i], "");
	}
	fd = open("gate", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	await_lines("out", 17); /* the one that ran, and sixteen */
	announce_flush(a, 5000);
	loop_run_for(loop, 100);
	assert_int_equal(lines("out"), 17);
	assert_int_equal(sscanf(contents("out"), "s%u\ns%u\n", &first, &last), 2);
	assert_int_equal(first, 0);
	assert_int_equal(last, 14);
	assert_non_null(strstr(text, "\ns29\n"));
	announce_free(a);
}

/* A command inherits only standard error, and default signals. */
static void a_command_inherits_nothing(void **state)
{
	int leak = open("/dev/null", O_RDONLY | O_CLOEXEC);
	unsigned long long blocked, ignored;
	struct announce *a;
	sigset_t term, old;

	(void)state;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	signal(SIGPIPE, SIG_IGN);
	for (int fd = 3; fd < 256; fd++) /* what the test's own parent left open */
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* 3 is the directory that ls reads. */
	a = announce_new(loop, "ls /proc/self/fd >out; readlink /proc/$$/fd/0 >>out; "
			       "grep -E 'Sig(Blk|Ign)' /proc/self/status >>out; "
			       "echo end >>out");
	change(a, "x", "y", "");
	for (int i = 0; i < 500 && !strstr(contents("out"), "end"); i++)
		loop_run_for(loop, 10);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(sscanf(contents("out"), "0 1 2 3 /dev/null SigBlk: %llx SigIgn: %llx end",
				&blocked, &ignored),
			 2);
	assert_int_equal(blocked, 0);
	assert_false(ignored >> (SIGPIPE - 1) & 1);
	announce_flush(a, 5000);
	announce_free(a);
	close(leak);
}

/* Runs with standard error in the file "log". */
static void logged(const char *command, const char *want)
{
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int fd = open("log", O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	struct announce *a = announce_new(loop, command);

	log_init("nbd-attach", LOG_TO_STDERR, LOG_NOTICE); /* as without --verbose */
	dup2(fd, STDERR_FILENO);
	change(a, "x", "y", "");
	announce_flush(a, 5000);
	dup2(saved, STDERR_FILENO);
	close(fd);
	close(saved);
	announce_free(a);
	if (!strstr(contents("log"), want) || (!*want && *text))
		fail_msg("%s", text);
}

static void what_fails_is_logged(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	logged("true", "");
	logged("/nonexistent/alert", "--on-change: the command ended with status 127");
	logged("/nonexistent/alert", "not found"); /* the shell's own words */
	logged("exit 3", "--on-change: the command ended with status 3");
	logged("kill -9 $$", "--on-change: the command ended with status 137");
}

/* A command that fails does not delay the others. */
static void failures_do_not_stop_the_rest(void **state)
{
	struct announce *a = announce_new(loop, "echo $NBD_STATE >>out; exit 1");

	(void)state;
	log_init("nbd-attach", LOG_TO_STDERR, LOG_ERR);
	change(a, "x", "a", "");
	change(a, "x", "b", "");
	change(a, "x", "c", "");
	await_lines("out", 3);
	announce_flush(a, 5000);
	announce_free(a);
}

static void flushing_runs_what_waits(void **state)
{
	struct announce *a = announce_new(loop, "sleep 0.05; echo $NBD_STATE >>out");

	(void)state;
	announce_flush(NULL, 5000);
	announce_flush(a, 5000); /* nothing to do */
	change(a, "x", "a", "");
	change(a, "x", "b", "");
	change(a, "x", "c", "");
	announce_flush(a, 10000);
	assert_string_equal(contents("out"), "a\nb\nc\n");
	announce_free(a);
}

/* A command that hangs is not ended, and does not delay the supervisor's end. */
static void flushing_is_bounded(void **state)
{
	struct announce *a = announce_new(loop, "echo $$ >>out; exec sleep 60");
	uint64_t start;
	int pid = 0;

	(void)state;
	change(a, "x", "a", "");
	change(a, "x", "b", "");
	await_lines("out", 1);
	start = loop_now();
	announce_flush(a, 300);
	assert_in_range(loop_now() - start, 299, 2500);
	announce_flush(a, 0);
	announce_free(a);
	assert_int_equal(sscanf(contents("out"), "%d", &pid), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(lines("out"), 1);
	announce_free(NULL);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? chdir(dir) : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink("out");
	unlink("gate");
	unlink("log");
	return chdir("/") == 0 ? rmdir(dir) : -1;
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_LOOP(the_environment_tells_what_happened),
	    WITH_LOOP(one_runs_at_a_time_and_in_order),
	    WITH_LOOP(a_failed_start_is_tried_again),
	    WITH_LOOP(a_command_without_a_descriptor),
	    WITH_LOOP(the_oldest_of_too_many_are_dropped),
	    WITH_LOOP(a_command_inherits_nothing),
	    WITH_LOOP(what_fails_is_logged),
	    WITH_LOOP(failures_do_not_stop_the_rest),
	    WITH_LOOP(flushing_runs_what_waits),
	    WITH_LOOP(flushing_is_bounded),
	};

#if defined(FOR_VALGRIND)
	/* It knows no pidfds (base/process-watch.h), without which no command is followed. */
	return 0;
#endif
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
