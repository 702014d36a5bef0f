/* SPDX-License-Identifier: MIT */
#include "captive/command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/libc.h"
#include "base/signals.h"
#include "base/text.h"
#include "captive/files.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

#define LISTEN_FD 3  /* SD_LISTEN_FDS_START */
#define ABOVE	  10 /* where descriptors are put aside while the low ones are filled */

int command_user_find(const char *name, struct command_user *ret_user, struct err *err)
{
	struct command_user user = {.n_groups = COMMAND_GROUPS_MAX};
	struct passwd *pw;
	char what[128];
	struct text t;

	errno = 0;
	pw = getpwnam(name);
	if (!pw) {
		text_init(&t, what, sizeof(what));
		text_quote(&t, name, strlen(name), 64);
		return err_set(err, ERR_USAGE, EINVAL, "there is no user %s on this system", what);
	}
	user.uid = pw->pw_uid;
	user.gid = pw->pw_gid;
	snprintf(user.name, sizeof(user.name), "%s", pw->pw_name);
	snprintf(user.home, sizeof(user.home), "%s", pw->pw_dir);
	snprintf(user.shell, sizeof(user.shell), "%s", pw->pw_shell[0] ? pw->pw_shell : "/bin/sh");
	if (getgrouplist(pw->pw_name, pw->pw_gid, user.group, &user.n_groups) < 0)
		return err_set(err, ERR_SYSTEM, E2BIG, "%s is in more than %d groups", user.name,
			       COMMAND_GROUPS_MAX);
	*ret_user = user;
	return 0;
}

const char *command_name(char *const *argv)
{
	const char *slash = strrchr(argv[0], '/');

	return slash && slash[1] ? slash + 1 : argv[0];
}

int command_unavailable(const char *name, struct err *err)
{
	return err_set(err, ERR_RETRY, EAGAIN,
		       "%s cannot be run: the initramfs in which nbd-attach was started is gone",
		       name);
}

void command_explain_end(const char *name, int status, bool proved, const char *said,
			 struct err *err)
{
	/* A server that ends by itself before it has ever worked complains of its image or options,
	 * and would do so again. */
	bool refuses = !proved && WIFEXITED(status) && WEXITSTATUS(status) != 0;
	char how[64];

	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "was ended by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "ended with exit status %d", WEXITSTATUS(status));
	err_set(err, refuses ? ERR_PERMANENT : ERR_RETRY, ECHILD, "the server %s %s%s%s", name, how,
		said[0] ? ": " : "", said);
}

/* The language, the time zone, where programs are, and what tells the server's processes. */
static bool is_kept(const char *variable)
{
	static const char *const kept[] = {"PATH", "LANG", "LANGUAGE", "TZ", CAPTIVE_MARK};

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (strncmp(variable, kept[i], strlen(kept[i])) == 0 &&
		    variable[strlen(kept[i])] == '=')
			return true;
	return strncmp(variable, "LC_", 3) == 0;
}

/*
 * What the caller has in its environment is root's: secrets, directories to write to, settings of
 * libraries. So little of it goes to another user as by setpriv --reset-env.
 */
static int become_in_environment(const struct command_user *user)
{
	char **from = environ, **to = environ;

	for (; from && *from; from++)
		if (is_kept(*from))
			*to++ = *from;
	if (to)
		*to = NULL;
	if (setenv("USER", user->name, 1) < 0 || setenv("LOGNAME", user->name, 1) < 0 ||
	    setenv("HOME", user->home, 1) < 0 || setenv("SHELL", user->shell, 1) < 0)
		return -errno;
	return 0;
}

/* 0 or -errno. */
static int become(const struct command_user *user)
{
	if (!user)
		return 0;
	if (setgroups((size_t)user->n_groups, user->group) < 0 || setgid(user->gid) < 0 ||
	    setuid(user->uid) < 0)
		return -errno;
	return become_in_environment(user);
}

/* What is for us, and not for a program that we start. */
static void clean_environment(void)
{
	static const char *const ours[] = {"NOTIFY_SOCKET",  "WATCHDOG_PID",  "WATCHDOG_USEC",
					   "LISTEN_FDS",     "LISTEN_PID",    "LISTEN_FDNAMES",
					   "LISTEN_PIDFDID", "JOURNAL_STREAM"};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		unsetenv(ours[i]);
}

static void announce_socket(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "nbd", 1);
}

/* A copy beyond the descriptors that are to be filled, or -1. */
static int aside(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);
}

/*
 * Fills 0 to 2, and 3 for a listening socket; `failed`, close-on-exec, moves to the one behind.
 * Returns its new place or -errno.
 */
static int place_descriptors(const struct command *c, int failed)
{
	int null = held_open("/dev/null", O_RDWR, 0);
	int in = aside(c->stdio_fd >= 0 ? c->stdio_fd : null);
	int out = aside(c->stdio_fd >= 0 ? c->stdio_fd : c->error_fd);
	int errors = aside(c->error_fd), listening = -1, next = LISTEN_FD;

	if (null < 0 || in < 0 || out < 0 || errors < 0)
		return -errno;
	if (c->listen_fd >= 0 && (listening = aside(c->listen_fd)) < 0)
		return -errno;
	failed = aside(failed);
	if (failed < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(errors, STDERR_FILENO) < 0)
		return -errno;
	if (listening >= 0 && dup2(listening, next++) < 0)
		return -errno;
	if (dup3(failed, next, O_CLOEXEC) < 0)
		return -errno;
	closefrom(next + 1);
	return next;
}

static _Noreturn void child(const struct command *c, int failed, pid_t parent)
{
	int error = 0, fd;

	signals_reset();
	setsid();
	umask(022);
	/*
	 * The server's writes free the device's dirty pages. Without this flag the kernel could
	 * make the server wait for those very pages: prctl(2). Refused without privilege, and
	 * unknown before Linux 5.6.
	 */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	fd = place_descriptors(c, failed);
	if (fd < 0) {
		error = -fd;
		fd = failed;
	} else {
		error = -become(c->user);
	}
	/* A change of credentials would have cleared it. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	clean_environment();
	if (c->listen_fd >= 0)
		announce_socket();
	if (error == 0) {
		execvp(c->argv[0], c->argv);
		error = errno;
	}
	(void)!write(fd, &error, sizeof(error));
	_exit(127);
}

int command_start(const struct command *command, pid_t *ret_pid, struct err *err)
{
	_cleanup_fd_ int failed = -1, failing = -1;
	char what[300];
	int fds[2], error = 0;
	pid_t pid, parent = getpid();
	struct text t;
	ssize_t n;

	text_init(&t, what, sizeof(what));
	text_escape(&t, command->argv[0], strlen(command->argv[0]), 200);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot run %s", what);
	failed = fds[0];
	failing = fds[1];
	pid = fork();
	if (pid == 0)
		child(command, failing, parent);
	if (pid < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot run %s", what);
	close_fdp(&failing);
	failing = -1;
	do {
		n = read(failed, &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	if (n == 0) {
		*ret_pid = pid;
		return 0;
	}
	if (held_root_is_gone())
		return command_unavailable(what, err);
	return err_errno(err, ERR_SYSTEM, error ? error : EIO, "cannot run %s", what);
}
