/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* Captive servers without a kernel: their command line, their keeper, what it starts and leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "cli/server-captive.h"
#include "runtime/state.h"
#include "rundir-fixture.h"
#include "captive/files.h"
#include "captive/orphans.h"
#include "captive/keeper-log.h"
#include "captive/keeper.h"
#include "runtime/lock.h"
#include "captive/strays.h"
#include "captive/command.h"
#include "skip.h"

#define LIMIT_MS 20000 /* no step takes as long */

/*
 * The identifier of the captive server number n. It is unique to this run: a keeper ends every
 * process on the machine that has its mark, and must not end a server of another run.
 */
static const char *own_id(unsigned n)
{
	static char id[16][CAPTIVE_ID_MAX];
	static pid_t run; /* not the ID of a child that calls this later */

	run = run ?: getpid();

	assert_true(n < ARRAY_SIZE(id));
	snprintf(id[n], sizeof(id[n]), "%d%u", run, n);
	return id[n];
}

/* --- words -------------------------------------------------------------------------------- */

static void parse(struct options *ret_options, const char *const *word)
{
	char *argv[16] = {(char *)"nbd-attach"};
	struct err err;
	int argc = 1;

	for (; word[argc - 1]; argc++)
		argv[argc] = (char *)word[argc - 1];
	if (options_parse(argc, argv, ret_options, &err) != 0)
		fail_msg("%s", err.message);
}

#define PARSE(o, ...) parse(o, (const char *const[]){__VA_ARGS__, NULL})

static void assert_words(char *const *got, const char *want)
{
	char text[512] = "";

	for (size_t i = 0; got[i]; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s<%s>", i ? " " : "",
			 got[i]);
	assert_string_equal(text, want);
}

static void words_are_kept_as_they_are(void **unused)
{
	struct options o;

	(void)unused;
	PARSE(&o, "nbd0", "-r", "--", "[", "qemu-nbd", "-f", "a b", "]", "--wait", "", "]");
	assert_words(o.captive, "<qemu-nbd> <-f> <a b> <]> <--wait> <>");
	assert_true(o.read_only);
	assert_false(o.wait);
	options_done(&o);
	PARSE(&o, "nbd0", "[", "a", "--", "]");
	assert_words(o.captive, "<a> <-->");
	options_done(&o);
}

static void a_line_is_split_at_blanks(void **unused)
{
	struct options o;
	struct err err;

	(void)unused;
	options_init(&o);
	assert_true(captive_is_line("[ a ]"));
	assert_true(captive_is_line("["));
	assert_false(captive_is_line("[::1]"));
	assert_int_equal(captive_from_line(&o, "[\tnbdkit  file \"x y\" ]", &err), 0);
	assert_words(o.captive, "<nbdkit> <file> <x y>");
	assert_int_equal(captive_from_line(&o, "[ a '' 'b \" c' \"d \\\" \\\\e\" f\"g h' ]", &err),
			 0);
	assert_words(o.captive, "<a> <> <b \" c> <d \" \\e> <f\"g> <h'>");
	assert_int_equal(captive_from_line(&o, "[ nbdkit", &err), -EINVAL);
	assert_int_equal(captive_from_line(&o, "[ ]", &err), -EINVAL);
	options_done(&o);
}

static void an_image_is_served_safely(void **unused)
{
	char **words;
	struct options o;

	(void)unused;
	PARSE(&o, "nbd0", "--image", "qcow2:/a/b");
	words = captive_image_words(&o);
	assert_words(words, "<qemu-nbd> <--persistent> <--cache=writethrough> <--discard=unmap> "
			    "<--format=qcow2> <--shared=1> </a/b>");
	captive_words_free(words);
	options_done(&o);
	PARSE(&o, "nbd0", "--image=raw:/a", "-r", "-C3");
	words = captive_image_words(&o);
	assert_words(words, "<qemu-nbd> <--persistent> <--cache=writethrough> <--discard=unmap> "
			    "<--format=raw> <--shared=3> <--read-only> </a>");
	captive_words_free(words);
	options_done(&o);
	PARSE(&o, "nbd0", "--image=raw:-f"); /* qemu-nbd must not parse it as an option */
	assert_int_equal(o.image[0], '/');
	options_done(&o);
}

static char *identifier(const char *const *word)
{
	struct options o;
	struct err err;
	char *id;

	parse(&o, word);
	assert_int_equal(captive_identifier(&o, &id, &err), 0);
	options_done(&o);
	return id;
}

#define IDENTIFIER(...) identifier((const char *const[]){__VA_ARGS__, NULL})

static void an_identifier_tells_servers_apart(void **unused)
{
	char *id[] = {
	    IDENTIFIER("nbd0", "[", "nbdkit", "file", "x", "]"),
	    IDENTIFIER("nbd0", "[", "nbdkit", "filex", "]"),
	    IDENTIFIER("nbd0", "[", "nbdkit", "file", "x", "", "]"),
	    IDENTIFIER("nbd0", "--command", "[", "nbdkit", "file", "x", "]"),
	    IDENTIFIER("nbd0", "--user=root", "[", "nbdkit", "file", "x", "]"),
	    IDENTIFIER("nbd0", "export", "[", "nbdkit", "file", "x", "]"),
	    IDENTIFIER("nbd0", "--image=raw:/x"),
	};
	char *again = IDENTIFIER("auto", "-r", "[", "nbdkit", "file", "x", "]");
	char *elsewhere;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(id); i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(id[i], id[k]);
	assert_string_equal(again, id[0]);
	assert_int_equal(strncmp(again, "captive:nbdkit:", 15), 0);
	assert_null(strstr(again, "file")); /* an argument may be a secret */
	assert_string_equal(id[6], "image:/x");
	assert_int_equal(chdir(dir), 0);
	elsewhere = IDENTIFIER("nbd0", "[", "nbdkit", "file", "x", "]");
	assert_string_not_equal(elsewhere, id[0]);
	assert_int_equal(chdir("/"), 0);
	free(elsewhere);
	free(again);
	for (size_t i = 0; i < ARRAY_SIZE(id); i++)
		free(id[i]);
}

/* --- files -------------------------------------------------------------------------------- */

/* Root alone writes it and reads it, and what it says is shown at a terminal. */
static void a_status_is_roots(void **unused)
{
	const struct captive_status in = {.kind = ERR_RETRY, .error = "it says \"\\x1b\""};
	struct rundir_path path = captive_path(own_id(1), "status");
	mode_t mask = umask(0);
	struct captive_status out;
	struct stat st;
	FILE *f;

	(void)unused;
	captive_status_write(own_id(1), &in);
	umask(mask);
	assert_int_equal(stat(path.text, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(captive_status_read(own_id(1), &out));
	assert_string_equal(out.error, in.error);
	f = fopen(path.text, "w");
	assert_non_null(f);
	fputs("ERROR=\033]0;x\007 oh\n", f);
	fclose(f);
	assert_true(captive_status_read(own_id(1), &out));
	assert_string_equal(out.error, "\\x1b]0;x\\x07 oh");
	captive_files_remove(own_id(1));
}

static void a_status_survives_the_file(void **unused)
{
	struct captive_status in = {
	    .pid = 7, .starts = 3, .failures = 2, .kind = ERR_SYSTEM, .error = "cannot run x=y"};
	struct captive_status out = {.pid = 1};

	(void)unused;
	assert_false(captive_status_read(own_id(1), &out));
	assert_int_equal(out.pid, 1);
	captive_status_write(own_id(1), &in);
	assert_true(captive_status_read(own_id(1), &out));
	assert_memory_equal(&in, &out, sizeof(in));
	captive_files_remove(own_id(1));
	assert_false(captive_status_read(own_id(1), &out));
	assert_true(captive_id_valid("123"));
	assert_false(captive_id_valid(""));
	assert_false(captive_id_valid("../1"));
	assert_false(captive_id_valid("1234567890123456"));
}

/* --- the log ------------------------------------------------------------------------------ */

struct lines {
	unsigned n;
	char last[600];
};

static void take_line(const char *line, void *arg)
{
	struct lines *l = arg;

	l->n++;
	snprintf(l->last, sizeof(l->last), "%s", line);
}

static void log_text(struct keeper_log *l, const char *text, uint64_t now)
{
	keeper_log_add(l, text, strlen(text), now);
}

static void a_log_has_whole_lines(void **unused)
{
	struct lines got = {.n = 0};
	struct keeper_log l;
	char big[2000];

	(void)unused;
	keeper_log_init(&l, take_line, &got);
	log_text(&l, "one\r\n\n  \ntw", 1);
	assert_int_equal(got.n, 1);
	assert_string_equal(got.last, "one");
	log_text(&l, "o\x1b[2J\xff\n", 2);
	assert_string_equal(got.last, "two\\x1b[2J\\xff");
	log_text(&l, "no newline", 3);
	assert_int_equal(got.n, 2);
	keeper_log_end(&l, 3);
	assert_string_equal(l.last, "no newline");
	assert_int_equal(got.n, 3);
	memset(big, 'x', sizeof(big) - 2);
	memcpy(big + sizeof(big) - 2, "\n", 2);
	log_text(&l, big, 4);
	assert_int_equal(got.n, 4);
	assert_int_equal(strlen(got.last), KEEPER_LOG_LINE_MAX);
}

static void a_log_is_no_flood(void **unused)
{
	struct lines got = {.n = 0};
	struct keeper_log l;

	(void)unused;
	keeper_log_init(&l, take_line, &got);
	for (unsigned i = 0; i < KEEPER_LOG_LINES + 7; i++)
		log_text(&l, "flood\n", 100 + i);
	assert_int_equal(got.n, KEEPER_LOG_LINES);
	assert_string_equal(l.last, "flood");
	log_text(&l, "later\n", 100 + KEEPER_LOG_PERIOD);
	assert_int_equal(got.n, KEEPER_LOG_LINES + 2);
	assert_string_equal(got.last, "later");
	got.n = 0;
	for (unsigned i = 0; i < KEEPER_LOG_LINES; i++)
		log_text(&l, "more\n", 100 + KEEPER_LOG_PERIOD);
	assert_int_equal(got.n, KEEPER_LOG_LINES - 1);
	log_text(&l, "end\n", 100 + 2 * KEEPER_LOG_PERIOD);
	assert_string_equal(got.last, "end");
	assert_int_equal(got.n, KEEPER_LOG_LINES + 1); /* with "(1 more lines ...)" */
}

/* --- started processes ---------------------------------------------------------------------- */

/* Everything that a program prints on standard error. */
static size_t run(const struct command *command, char *buf, size_t size)
{
	struct command c = *command;
	_cleanup_fd_ int in = -1;
	struct err err;
	size_t len = 0;
	ssize_t n;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0); /* not close-on-exec: it must not be inherited */
	in = fds[0];
	c.error_fd = fds[1];
	if (command_start(&c, &pid, &err) < 0)
		fail_msg("%s", err.message);
	close(fds[1]);
	while ((n = read(in, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return len;
}

/* The shell uses descriptors from 10 on. */
#define FDS	   "for i in 0 1 2 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$i ] || echo $i; done >&2;"
#define SH(script) ((char *const[]){(char *)"sh", (char *)"-c", (char *)(script), NULL})

static void a_program_gets_its_socket_and_nothing_else(void **unused)
{
	struct command c = {
	    .argv = SH("echo $LISTEN_FDS $LISTEN_FDNAMES $((LISTEN_PID == $$)) $NOTIFY_SOCKET "
		       "$LISTEN_PIDFDID >&2;" FDS "cd /proc/$$/fd; readlink 3 >&2; readlink 0 >&2;"
		       "ps -o pgid=,sid= -p $$ | tr -d ' ' | grep -c $$$$ >&2;"
		       "sed -nE 's/^Sig(Blk|Ign):.*(.{7})$/\\1 \\2/p' /proc/self/status >&2"),
	    .stdio_fd = -1,
	};
	char out[1000], want[200];
	struct stat st;

	(void)unused;
	setenv("NOTIFY_SOCKET", "/secret", 1);
	setenv("LISTEN_PIDFDID", "1", 1); /* of another process: it would refuse the socket */
	signal(SIGPIPE, SIG_IGN);
	c.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(fstat(c.listen_fd, &st), 0);
	run(&c, out, sizeof(out));
	snprintf(want, sizeof(want),
		 "1 nbd 1\n0\n1\n2\n3\nsocket:[%lu]\n/dev/null\n1\n"
		 "Blk 0000000\nIgn 0000000\n", /* 28 signals: above 31 they are the C library's */
		 (unsigned long)st.st_ino);
	assert_string_equal(out, want);
	close(c.listen_fd);
	signal(SIGPIPE, SIG_DFL);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_PIDFDID");
}

/* The ninth field, and of that PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE. */
static void a_program_is_on_the_way_to_a_disk(void **unused)
{
	struct command c = {
	    .argv = SH("cut -d ' ' -f 9 /proc/$$/stat >&2"), .listen_fd = -1, .stdio_fd = -1};
	char out[200];

	(void)unused;
	if (geteuid() != 0 || prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0) < 0)
		skip_because("it takes root and a kernel that knows PR_SET_IO_FLUSHER");
	run(&c, out, sizeof(out));
	assert_int_equal(strtoul(out, NULL, 10) & 0x180000, 0x180000);
}

static void a_program_can_speak_on_its_standard_input(void **unused)
{
	struct command c = {
	    .argv = SH("read x; echo \"got $x\"; echo ${LISTEN_FDS-none} >&2;" FDS),
	    .listen_fd = -1,
	};
	char out[200], heard[32] = "";
	int fds[2];

	(void)unused;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	c.stdio_fd = fds[1];
	assert_int_equal(write(fds[0], "this\n", 5), 5);
	run(&c, out, sizeof(out));
	assert_string_equal(out, "none\n0\n1\n2\n");
	assert_int_equal(read(fds[0], heard, sizeof(heard) - 1), 9);
	assert_string_equal(heard, "got this\n");
	close(fds[0]);
	close(fds[1]);
}

static void a_program_runs_as_another_user(void **unused)
{
	struct command_user user;
	struct command c = {
	    .argv =
		SH("echo begin >&2; id -un >&2; echo $HOME >&2; grep CapEff /proc/$$/status >&2"),
	    .listen_fd = -1,
	    .stdio_fd = -1,
	    .user = &user};
	struct err err;
	static char out[65536]; /* with what the counters of `make coverage` say of this user */
	const char *said;

	(void)unused;
	assert_int_equal(command_user_find("no\nbody", &user, &err), -EINVAL);
	assert_string_equal(err.message, "there is no user \"no\\x0abody\" on this system");
	assert_int_equal(err.kind, ERR_USAGE);
	assert_int_equal(command_user_find("daemon", &user, &err), 0);
	if (geteuid() != 0)
		skip_because("it takes root");
	run(&c, out, sizeof(out));
	said = strstr(out, "begin\n");
	assert_non_null(said);
	assert_int_equal(strncmp(said, "begin\ndaemon\n", 13), 0);
	assert_non_null(strstr(said, user.home));
	assert_non_null(strstr(said, "CapEff:\t0000000000000000"));
}

/* The server of another user inherits nothing of root, except what it needs. */
static void another_user_gets_a_clean_environment(void **unused)
{
	struct command_user user;
	struct command c = {.argv = SH("env >&2"), .listen_fd = -1, .stdio_fd = -1, .user = &user};
	static const char *const gone[] = {"SECRET", "SSH_AUTH_SOCK",	 "LD_LIBRARY_PATH",
					   "XDG_",   "NOTIFY_SOCKET",	 "PATHS",
					   "LANGS",  "NBD_ATTACH_OTHER", "MAIL"};
	static const char *const kept[] = {"PATH=/usr/bin:/bin\n", "LC_TIME=C\n", "LANG=C\n",
					   "TZ=UTC\n", CAPTIVE_MARK "=1\n"};
	struct err err;
	char out[4096], line[300];

	(void)unused;
	if (geteuid() != 0)
		skip_because("it takes root");
	assert_int_equal(command_user_find("daemon", &user, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		setenv(gone[i], "of root", 1);
	setenv("PATH", "/usr/bin:/bin", 1);
	setenv("LC_TIME", "C", 1);
	setenv("LANG", "C", 1);
	setenv("TZ", "UTC", 1);
	setenv(CAPTIVE_MARK, "1", 1);
	run(&c, out, sizeof(out));
	assert_null(strstr(out, "of root"));
	assert_null(strstr(out, "/root"));
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		assert_non_null(strstr(out, kept[i]));
	snprintf(line, sizeof(line), "HOME=%s\n", user.home);
	assert_non_null(strstr(out, line));
	assert_non_null(strstr(out, "USER=daemon\n"));
	assert_non_null(strstr(out, "LOGNAME=daemon\n"));
	unsetenv(CAPTIVE_MARK);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		unsetenv(gone[i]);
}

static void a_program_that_cannot_run_is_named(void **unused)
{
	static const struct {
		const char *name, *says;
	} bad[] = {
	    {"no-such-program", "cannot run no-such-program: No such file or directory"},
	    {"/tmp", "cannot run /tmp: Permission denied"},
	    {"\x1b", "cannot run \\x1b: No such file or directory"},
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *argv[] = {(char *)bad[i].name, NULL};
		struct command c = {.argv = argv, .listen_fd = -1, .stdio_fd = -1, .error_fd = 2};
		struct err err;
		pid_t pid;

		assert_true(command_start(&c, &pid, &err) < 0);
		assert_int_equal(err.kind, ERR_SYSTEM);
		assert_string_equal(err.message, bad[i].says);
		assert_true(wait(NULL) > 0);
	}
}

/* In another process, as strays_end() ends every child. */
static void in_a_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int leave_strays(void)
{
	/* In the group, in another session, ignores SIGTERM. */
	struct command c = {.argv =
				SH("sleep 1000 & setsid sleep 1000 &"
				   "sh -c 'trap \"\" TERM; sleep 1000; sleep 1000' & sleep 0.3"),
			    .listen_fd = -1,
			    .stdio_fd = -1,
			    .error_fd = STDERR_FILENO};
	struct err err;
	uint64_t start;
	int status;
	pid_t pid;

	if (command_start(&c, &pid, &err) < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	start = loop_now();
	if (strays_end(pid, 300, NULL, NULL) != 3 || loop_now() - start < 300 ||
	    loop_now() - start > 2300)
		return 2;
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		return 3;
	return strays_end(pid, 300, NULL, NULL) == 0 ? 0 : 4;
}

static void strays_are_ended(void **unused)
{
	(void)unused;
	in_a_child(leave_strays);
}

static pid_t bystander;

static int leave_one_stray(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		pause();
	}
	/* The server's group is empty, and another group has its number by now. */
	return pid > 0 && strays_end(bystander, 50, NULL, NULL) == 1 ? 0 : 1;
}

static void strangers_are_left_alone(void **unused)
{
	(void)unused;
	bystander = fork();
	if (bystander == 0) {
		setsid();
		pause();
	}
	while (getpgid(bystander) != bystander)
		usleep(1000);
	in_a_child(leave_one_stray);
	assert_int_equal(waitpid(bystander, NULL, WNOHANG), 0);
	kill(bystander, SIGKILL);
	waitpid(bystander, NULL, 0);
}

/* An orphan in another group that ignores SIGTERM: only its environment identifies it. */
static void marked_strays_are_ended(void **unused)
{
	struct command c = {.argv = SH("(trap '' TERM; exec setsid sleep 1000) & exec sleep 0.1"),
			    .listen_fd = -1,
			    .stdio_fd = -1,
			    .error_fd = STDERR_FILENO};
	uint64_t start;
	struct err err;
	pid_t pid;

	(void)unused;
	setenv(CAPTIVE_MARK, own_id(12), 1);
	assert_int_equal(command_start(&c, &pid, &err), 0);
	unsetenv(CAPTIVE_MARK);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(strays_end_marked(CAPTIVE_MARK, own_id(1), 300), 0);
	start = loop_now();
	assert_int_equal(strays_end_marked(CAPTIVE_MARK, own_id(12), 300), 1);
	assert_true(loop_now() - start >= 300 && loop_now() - start < 2300);
	assert_int_equal(strays_end_marked(CAPTIVE_MARK, own_id(12), 300), 0);
}

/* --- the keeper --------------------------------------------------------------------------- */

static pid_t keeper(const char *id, bool stdio, char *const *argv)
{
	const struct captive_spec spec = {.argv = argv, .stdio = stdio};
	struct captive_status status;
	pid_t pid;

	captive_want(id, true);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		log_init("keeper", LOG_TO_STDERR, LOG_ERR);
		_exit(keeper_run(id, &spec));
	}
	for (unsigned ms = 0; ms < LIMIT_MS && !captive_status_read(id, &status); ms++)
		usleep(1000);
	assert_int_equal(lock_holder(captive_path(id, "lock").text), pid);
	return pid;
}

static int dial(const char *id)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/captive-%s.sock", dir, id);
	assert_int_equal(connect(fd, (void *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Returns what arrives within the limit; "" is the end of the connection. */
static const char *hear(int fd)
{
	static char heard[64];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
	n = read(fd, heard, sizeof(heard) - 1);
	heard[n > 0 ? n : 0] = '\0';
	return heard;
}

static struct captive_status status_of(const char *id)
{
	struct captive_status s;

	assert_true(captive_status_read(id, &s));
	return s;
}

static void end_keeper(pid_t pid, const char *id)
{
	struct captive_status unused;
	int status;

	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(captive_status_read(id, &unused));
	assert_int_not_equal(access(captive_path(id, "sock").text, F_OK), 0);
	assert_int_not_equal(access(captive_path(id, "lock").text, F_OK), 0);
}

static void a_keeper_starts_a_server_for_each_connection(void **unused)
{
	pid_t pid = keeper(own_id(2), true, SH("echo $$; cat >/dev/null; exit 0")), first, second;
	struct stat st;
	int fd, next;

	(void)unused;
	assert_int_equal(status_of(own_id(2)).starts, 0); /* there was no client */
	assert_int_equal(stat(captive_path(own_id(2), "sock").text, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = dial(own_id(2));
	first = atoi(hear(fd));
	for (unsigned ms = 0; ms < LIMIT_MS && status_of(own_id(2)).pid != first; ms++)
		usleep(1000); /* it sends before the keeper does */
	assert_int_equal(status_of(own_id(2)).pid, first);
	next = dial(own_id(2)); /* waits until the first one is over */
	assert_int_equal(poll(&(struct pollfd){.fd = next, .events = POLLIN}, 1, 200), 0);
	close(fd);
	second = atoi(hear(next));
	assert_int_not_equal(first, second);
	for (unsigned ms = 0; ms < LIMIT_MS && status_of(own_id(2)).pid != second; ms++)
		usleep(1000);
	assert_int_equal(status_of(own_id(2)).starts, 2);
	end_keeper(pid, own_id(2));
	assert_int_not_equal(kill(second, 0), 0);
	close(next);
}

static void a_keeper_says_why_there_is_no_server(void **unused)
{
	pid_t pid = keeper(own_id(3), true, SH("echo oh >&2; sleep 1000 & exit 3"));
	struct captive_status s;

	(void)unused;
	for (unsigned i = 1; i <= 3; i++) {
		_cleanup_fd_ int fd = dial(own_id(3));

		assert_string_equal(hear(fd), "");
		s = status_of(own_id(3));
		assert_string_equal(s.error, "the server sh ended with exit status 3: oh");
		assert_int_equal(s.kind, ERR_PERMANENT); /* another attempt would fail, too */
		assert_int_equal(s.failures, i);
		assert_int_equal(s.pid, 0);
	}
	end_keeper(pid, own_id(3));

	pid = keeper(own_id(4), false, (char *const[]){(char *)"/no/such/server", NULL});
	for (unsigned i = 0; i < 2; i++) {
		_cleanup_fd_ int fd = dial(own_id(4));

		assert_string_equal(hear(fd), "");
		s = status_of(own_id(4));
		assert_string_equal(s.error,
				    "cannot run /no/such/server: No such file or directory");
		assert_int_equal(s.kind, ERR_SYSTEM);
	}
	end_keeper(pid, own_id(4));
}

/* A busy machine needs time to find out that the image is wrong. */
static void a_late_complaint_is_one_too(void **unused)
{
	pid_t pid = keeper(own_id(3), true, SH("sleep 1.3; exit 3"));
	_cleanup_fd_ int fd = dial(own_id(3));

	(void)unused;
	assert_string_equal(hear(fd), "");
	for (unsigned ms = 0; ms < LIMIT_MS && !status_of(own_id(3)).error[0]; ms++)
		usleep(1000);
	assert_string_equal(status_of(own_id(3)).error, "the server sh ended with exit status 3");
	assert_int_equal(status_of(own_id(3)).kind, ERR_PERMANENT);
	end_keeper(pid, own_id(3));
}

/* More than a pipe holds, and then a line that proves that the server went on. */
static void a_keeper_hears_a_server_out(void **unused)
{
	pid_t pid =
	    keeper(own_id(8), true,
		   SH("trap 'head -c 300000 /dev/zero | tr \\0 \\n >&2; echo done; exit 0' TERM;"
		      "echo ready; while :; do sleep 0.1; done"));
	_cleanup_fd_ int fd = dial(own_id(8));
	uint64_t start = loop_now();

	(void)unused;
	assert_string_equal(hear(fd), "ready\n");
	kill(pid, SIGTERM);
	assert_string_equal(hear(fd), "done\n");
	end_keeper(pid, own_id(8));
	assert_true(loop_now() - start < 4000);
}

/* Like one from systemd. The server's reaction to it does not delay the keeper. */
static void a_listening_socket_blocks(void **unused)
{
	static const char look[] = "grep -q '^flags:.*4...$' /proc/$$/fdinfo/3 && exit 3; exit 4";
	static const char set[] =
	    "import fcntl; fcntl.fcntl(3, fcntl.F_SETFL, 0); raise SystemExit(5)";
	char *const python[] = {(char *)"python3", (char *)"-c", (char *)set, NULL};
	char *const *const server[] = {SH(look), python};
	static const char *const want[] = {"the server sh ended with exit status 4",
					   "the server python3 ended with exit status 5"};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(server); i++) {
		pid_t pid = keeper(own_id(9), false, server[i]);
		_cleanup_fd_ int fd = dial(own_id(9));

		assert_string_equal(hear(fd), "");
		assert_string_equal(status_of(own_id(9)).error, want[i]);
		end_keeper(pid, own_id(9));
	}
}

static void a_keeper_survives_a_flood(void **unused)
{
	pid_t pid = keeper(own_id(5), true, SH("yes >&2 & kill -9 $$"));
	_cleanup_fd_ int fd = dial(own_id(5));

	(void)unused;
	assert_string_equal(hear(fd), "");
	assert_non_null(strstr(status_of(own_id(5)).error, "was ended by signal 9"));
	assert_int_equal(status_of(own_id(5)).kind, ERR_RETRY);
	end_keeper(pid, own_id(5));
}

static void two_keepers_are_one_too_many(void **unused)
{
	pid_t pid = keeper(own_id(6), true, SH("cat"));
	const struct captive_spec spec = {.argv = SH("cat"), .user = "no-such-user"};
	int fd;

	(void)unused;
	log_init("keeper", LOG_TO_STDERR, LOG_EMERG);
	if (fork() == 0)
		_exit(keeper_run(own_id(6), &(struct captive_spec){.argv = SH("cat")}));
	assert_true(wait(&fd) > 0);
	assert_int_equal(WEXITSTATUS(fd), 3);
	assert_string_equal(status_of(own_id(6)).error, ""); /* the keeper has not changed it */
	fd = dial(own_id(6));
	assert_int_equal(write(fd, "echo", 4), 4);
	assert_string_equal(hear(fd), "echo");
	close(fd);
	end_keeper(pid, own_id(6));
	captive_want(own_id(7), true);
	assert_int_equal(keeper_run(own_id(7), &spec), 2);
	assert_int_equal(status_of(own_id(7)).kind, ERR_RETRY);
	assert_non_null(strstr(status_of(own_id(7)).error, "no-such-user"));
	captive_files_remove(own_id(7));
}

static void a_late_keeper_ends(void **unused)
{
	(void)unused;
	assert_int_equal(keeper_run(own_id(10), &(struct captive_spec){.argv = SH("cat")}), 1);
	assert_int_not_equal(access(captive_path(own_id(10), "lock").text, F_OK), 0);
	assert_int_not_equal(access(captive_path(own_id(10), "sock").text, F_OK), 0);
}

/* The server's shell gets SIGTERM when the keeper dies; processes that it has started do not. */
static void a_keeper_ends_the_server_of_the_one_before(void **unused)
{
	pid_t first = keeper(own_id(11), true, SH("sleep 1000 & echo $!; wait")), second, left;
	_cleanup_fd_ int fd = dial(own_id(11));

	(void)unused;
	left = atoi(hear(fd));
	kill(first, SIGKILL);
	assert_int_equal(waitpid(first, NULL, 0), first);
	assert_int_equal(kill(left, 0), 0);
	captive_files_remove(own_id(11));
	second = keeper(own_id(11), true, SH("cat"));
	assert_string_equal(hear(fd), "");
	end_keeper(second, own_id(11));
}

static bool keeper_is_left_alone(const char *id)
{
	captive_end_orphans();
	return lock_holder(captive_path(id, "lock").text) > 0;
}

static void orphans_are_ended(void **unused)
{
	struct state *s = calloc(1, sizeof(*s));
	char id[CAPTIVE_ID_MAX], lock[PATH_MAX];
	struct err err;
	pid_t dead = fork(), pid;
	int fd;

	(void)unused;
	if (dead == 0)
		_exit(0);
	captive_id_make(id);
	assert_int_equal(captive_id_maker(id), getpid());
	pid = keeper(id, true, SH("cat"));
	assert_true(keeper_is_left_alone(id)); /* we live */
	end_keeper(pid, id);

	assert_int_equal(waitpid(dead, NULL, 0), dead);
	snprintf(id, sizeof(id), "%d%08u", dead, 7);
	pid = keeper(id, true, SH("cat"));
	s->index = 77; /* another supervisor than the one that made it */
	snprintf(s->captive, sizeof(s->captive), "%s", id);
	assert_int_equal(state_write(s), 0);
	snprintf(lock, sizeof(lock), "%s", rundir_device(77, "lock").text);
	assert_int_equal(lock_take(lock, "it", &fd, &err), 0);
	assert_true(keeper_is_left_alone(id));
	close(fd); /* it has ended, and the device is detached, too */
	assert_false(keeper_is_left_alone(id));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_not_equal(access(captive_path(id, "sock").text, F_OK), 0);
	state_remove(77);
	unlink(lock);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_are_kept_as_they_are),
	    cmocka_unit_test(a_line_is_split_at_blanks),
	    cmocka_unit_test(an_image_is_served_safely),
	    cmocka_unit_test(an_identifier_tells_servers_apart),
	    cmocka_unit_test(a_status_is_roots),
	    cmocka_unit_test(a_status_survives_the_file),
	    cmocka_unit_test(a_log_has_whole_lines),
	    cmocka_unit_test(a_log_is_no_flood),
	    cmocka_unit_test(a_program_gets_its_socket_and_nothing_else),
	    cmocka_unit_test(a_program_is_on_the_way_to_a_disk),
	    cmocka_unit_test(a_program_can_speak_on_its_standard_input),
	    cmocka_unit_test(a_program_runs_as_another_user),
	    cmocka_unit_test(another_user_gets_a_clean_environment),
	    cmocka_unit_test(a_program_that_cannot_run_is_named),
	    cmocka_unit_test(strays_are_ended),
	    cmocka_unit_test(strangers_are_left_alone),
	    cmocka_unit_test(marked_strays_are_ended),
	    cmocka_unit_test(a_keeper_starts_a_server_for_each_connection),
	    cmocka_unit_test(a_keeper_says_why_there_is_no_server),
	    cmocka_unit_test(a_late_complaint_is_one_too),
	    cmocka_unit_test(a_keeper_hears_a_server_out),
	    cmocka_unit_test(a_listening_socket_blocks),
	    cmocka_unit_test(a_keeper_survives_a_flood),
	    cmocka_unit_test(a_late_keeper_ends),
	    cmocka_unit_test(a_keeper_ends_the_server_of_the_one_before),
	    cmocka_unit_test(orphans_are_ended),
	    cmocka_unit_test(two_keepers_are_one_too_many),
	};

	return cmocka_run_group_tests(tests, rundir_make_own, rundir_remove_own);
}
