/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log in systemd's journal: they have fields there, no line is lost because of them,
 * and nothing waits. Each test runs in a child, whose root directory has its own journal and
 * /dev/log.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "skip.h"

#define JOURNAL	    "/run/systemd/journal/socket"
#define JOURNAL_LOG "/run/systemd/journal/dev-log"
#define NO_ROOT	    99

static char dir[] = "/tmp/test-log.XXXXXX";
static int stream; /* the other end of standard error */

static int listen_at(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	unlink(path);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	return fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -1 : fd;
}

/* What a reader gets now; "": nothing. */
static const char *read_from(int fd)
{
	static char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

/* Standard error becomes a stream; JOURNAL_STREAM names it, or another one. */
static void begin(bool named)
{
	int pair[2];
	struct stat st;
	char name[64];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || dup2(pair[0], STDERR_FILENO) < 0 ||
	    fstat(STDERR_FILENO, &st) < 0)
		_exit(100);
	stream = pair[1];
	snprintf(name, sizeof(name), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + !named);
	setenv("JOURNAL_STREAM", name, 1);
	log_init("nbd-attach", LOG_TO_STDERR, LOG_INFO);
}

static bool is_line(const char *got, int priority, const char *text, const char *state,
		    const char *unit)
{
	char wanted[512];

	snprintf(wanted, sizeof(wanted),
		 "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=nbd-attach\n"
		 "SYSLOG_PID=%d\nNBD_DEVICE=/dev/nbd7\nNBD_STATE=%s\n%s",
		 text, priority, getpid(), state, unit);
	return strcmp(got, wanted) == 0;
}

static int fields(void)
{
	int journal = listen_at(JOURNAL);

	setenv("NBD_ATTACH_UNIT", "nbd-attach@data.service", 1);
	begin(true);
	log_warning("before");
	if (strcmp(read_from(stream), "<4>before\n") != 0 || *read_from(journal))
		return 1;
	log_set_fields(7, "lost");
	log_warning("the server is gone");
	if (!is_line(read_from(journal), 4, "the server is gone", "lost",
		     "OBJECT_SYSTEMD_UNIT=nbd-attach@data.service\n"))
		return 2;
	log_set_fields(7, "attached");
	log_notice("back");
	log_debug("not said");
	if (!is_line(read_from(journal), 5, "back", "attached",
		     "OBJECT_SYSTEMD_UNIT=nbd-attach@data.service\n"))
		return 3;
	return *read_from(stream) || *read_from(journal) ? 4 : 0;
}

static int other_stream(void)
{
	int journal = listen_at(JOURNAL);

	begin(false);
	log_set_fields(7, "lost");
	log_warning("gone");
	return strcmp(read_from(stream), "nbd-attach: warning: gone\n") != 0 || *read_from(journal);
}

static int no_journal(void)
{
	begin(true);
	log_set_fields(7, "lost");
	log_warning("gone");
	return strcmp(read_from(stream), "<4>gone\n") != 0;
}

static int started_again(void)
{
	int journal = listen_at(JOURNAL);

	begin(true);
	log_set_fields(7, "lost");
	log_warning("one");
	if (!is_line(read_from(journal), 4, "one", "lost", ""))
		return 1;
	close(journal);
	log_warning("two");
	if (strcmp(read_from(stream), "<4>two\n") != 0)
		return 2;
	journal = listen_at(JOURNAL);
	log_warning("three");
	return !is_line(read_from(journal), 4, "three", "lost", "") || *read_from(stream);
}

/* Nothing reads from the journal: its queue is full after a while. */
static int full(void)
{
	int journal = listen_at(JOURNAL), taken = 0, rest = 0;

	begin(true);
	log_set_fields(7, "lost");
	alarm(20);
	for (int i = 0; i < 1000 && rest == 0; i++) {
		log_warning("line");
		rest += strcmp(read_from(stream), "<4>line\n") == 0;
		taken++;
	}
	if (rest != 1)
		return 1;
	while (*read_from(journal))
		taken--;
	return taken != 1;
}

static int line_break(void)
{
	int journal = listen_at(JOURNAL);

	setenv("NBD_ATTACH_UNIT", "x\nNBD_STATE=y", 1);
	begin(true);
	log_set_fields(7, "lost");
	log_warning("one\nNBD_STATE=attached");
	if (strcmp(read_from(stream), "<4>one\nNBD_STATE=attached\n") != 0 || *read_from(journal))
		return 1;
	log_warning("two");
	return !is_line(read_from(journal), 4, "two", "lost", "");
}

/* In the background: /dev/log is the journal's, or missing. */
static int syslog_of_journal(void)
{
	int journal = listen_at(JOURNAL), its = listen_at(JOURNAL_LOG);

	begin(true);
	log_set_sink(LOG_TO_SYSLOG);
	log_set_fields(7, "lost");
	log_warning("one");
	if (!is_line(read_from(journal), 4, "one", "lost", ""))
		return 1;
	if (symlink(JOURNAL_LOG, "/dev/log") < 0)
		return 2;
	log_warning("two");
	if (!is_line(read_from(journal), 4, "two", "lost", ""))
		return 3;
	return *read_from(its) || *read_from(stream) ? 4 : 0;
}

static int syslog_of_another(void)
{
	int journal = listen_at(JOURNAL), its = listen_at(JOURNAL_LOG), log = listen_at("/dev/log");

	begin(true);
	log_set_sink(LOG_TO_SYSLOG);
	log_set_fields(7, "lost");
	log_warning("one");
	if (!strstr(read_from(log), "one"))
		return 1;
	return *read_from(journal) || *read_from(its) || *read_from(stream) ? 2 : 0;
}

static void check_in_a_child(int (*test)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() != 0 && unshare(CLONE_NEWUSER) < 0)
			_exit(NO_ROOT);
		if (chroot(dir) < 0 || chdir("/") < 0)
			_exit(NO_ROOT);
		unlink(JOURNAL);
		unlink(JOURNAL_LOG);
		unlink("/dev/log");
		_exit(test());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_ROOT)
		skip_because("the root directory cannot be changed");
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name, function)                \
	static void name(void **state)      \
	{                                   \
		(void)state;                \
		check_in_a_child(function); \
	}

TEST(a_line_in_the_journal_has_fields, fields)
TEST(another_stream_is_no_journal, other_stream)
TEST(without_a_journal_the_line_goes_to_stderr, no_journal)
TEST(a_journal_that_starts_again_gets_the_next_line, started_again)
TEST(a_journal_that_does_not_read_holds_nothing_up, full)
TEST(a_line_break_makes_no_field, line_break)
TEST(the_system_log_of_the_journal_has_fields, syslog_of_journal)
TEST(the_system_log_of_another_program_is_used, syslog_of_another)

static int make(void **state)
{
	static const char *const path[] = {"dev", "run", "run/systemd", "run/systemd/journal"};
	char full_path[64];

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		snprintf(full_path, sizeof(full_path), "%s/%s", dir, path[i]);
		if (mkdir(full_path, 0755) < 0)
			return -1;
	}
	return 0;
}

static int clean(void **state)
{
	static const char *const path[] = {"dev/log",
					   "dev",
					   "run/systemd/journal/socket",
					   "run/systemd/journal/dev-log",
					   "run/systemd/journal",
					   "run/systemd",
					   "run",
					   ""};
	char full_path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		snprintf(full_path, sizeof(full_path), "%s/%s", dir, path[i]);
		remove(full_path);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_in_the_journal_has_fields),
	    cmocka_unit_test(another_stream_is_no_journal),
	    cmocka_unit_test(without_a_journal_the_line_goes_to_stderr),
	    cmocka_unit_test(a_journal_that_starts_again_gets_the_next_line),
	    cmocka_unit_test(a_journal_that_does_not_read_holds_nothing_up),
	    cmocka_unit_test(a_line_break_makes_no_field),
	    cmocka_unit_test(the_system_log_of_the_journal_has_fields),
	    cmocka_unit_test(the_system_log_of_another_program_is_used),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
