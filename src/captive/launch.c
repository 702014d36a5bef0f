/* SPDX-License-Identifier: MIT */
#include "captive/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/libc.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/protect.h"

#define SELF	"/proc/self/exe"
#define DELETED " (deleted)"

/* A command line: its words, which it owns, followed by NULL. */
struct line {
	char **word;
	size_t n;
	bool failed;
};

static void add(struct line *l, char *word)
{
	char **grown = reallocarray(l->word, l->n + 2, sizeof(*grown));

	if (!word || !grown) {
		free(word);
		l->failed = true;
		return;
	}
	l->word = grown;
	l->word[l->n++] = word;
	l->word[l->n] = NULL;
}

static void __attribute__((format(printf, 2, 3))) addf(struct line *l, const char *format, ...)
{
	char *word = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&word, format, ap) < 0)
		word = NULL;
	va_end(ap);
	add(l, word);
}

static void line_done(struct line *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->word[i]);
	free(l->word);
}

static void add_word(struct line *l, const char *word)
{
	add(l, strdup(word));
}

/* systemd puts variables into the words of a unit's command: a doubled sign stands for itself. */
static void add_for_systemd(struct line *l, const char *word)
{
	char *copy = malloc(2 * strlen(word) + 1), *to = copy;

	for (; copy && *word; word++) {
		if (*word == '$')
			*to++ = '$';
		*to++ = *word;
	}
	if (copy)
		*to = '\0';
	add(l, copy);
}

static void add_property(struct line *l, const char *property, const char *value)
{
	addf(l, "--property=%s=%s", property, value);
}

/*
 * Stopped after our own unit, and so after the file systems on its device; systemd stops in the
 * opposite order of starting.
 */
static int add_unit(struct line *l, const struct captive_launch *launch)
{
	const char *path = getenv("PATH"), *dir = getenv("NBD_ATTACH_RUNDIR");
	char self[PATH_MAX];
	ssize_t n = readlink(SELF, self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	/* The program that an upgrade has replaced is available under the same name. */
	if (n > (ssize_t)strlen(DELETED) && strcmp(self + n - strlen(DELETED), DELETED) == 0)
		self[n - (ssize_t)strlen(DELETED)] = '\0';
	add_word(l, "systemd-run");
	add_word(l, "--quiet");
	add_word(l, "--collect");
	add_word(l, "--no-block");
	addf(l, "--unit=nbd-attach-captive-%s", launch->id);
	addf(l, "--description=The captive server of %s", launch->unit);
	addf(l, "--working-directory=%s", launch->directory);
	if (path)
		addf(l, "--setenv=PATH=%s", path);
	if (dir)
		addf(l, "--setenv=NBD_ATTACH_RUNDIR=%s", dir);
	add_property(l, "DefaultDependencies", "no");
	add_property(l, "Conflicts", "shutdown.target");
	add_property(l, "Before", "shutdown.target");
	add_property(l, "Before", "remote-fs-pre.target");
	add_property(l, "Before", launch->unit);
	add_property(l, "IgnoreOnIsolate", "yes");
	add_property(l, "KillMode", "mixed");
	add_property(l, "TimeoutStopSec", "20");
	add_word(l, "--");
	add_for_systemd(l, self);
	return 0;
}

static int make_line(struct line *l, const struct captive_launch *launch)
{
	void (*put)(struct line *, const char *) = launch->unit ? add_for_systemd : add_word;
	int ret = 0;

	if (launch->unit)
		ret = add_unit(l, launch);
	else
		add_word(l, protect_root() ? "@nbd-attach" : "nbd-attach"); /* spared as we are */
	if (ret < 0)
		return ret;
	/* In a unit the journal takes its standard error. */
	if (launch->unit || launch->foreground)
		add_word(l, "-n");
	add_word(l, "--keep-captive");
	add_word(l, launch->id);
	if (launch->spec->stdio)
		add_word(l, "--command");
	if (launch->spec->user)
		addf(l, "--user=%s", launch->spec->user);
	add_word(l, "--");
	add_word(l, "[");
	for (char *const *word = launch->spec->argv; *word; word++)
		put(l, *word);
	add_word(l, "]");
	return l->failed ? -ENOMEM : 0;
}

/* In a child of a child, so that no process has to wait for it. */
static _Noreturn void become(const struct captive_launch *launch, char **word)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	protect_undo();
	signals_reset();
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (!launch->foreground)
			dup2(null, STDERR_FILENO);
	}
	closefrom(STDERR_FILENO + 1);
	if (chdir(launch->directory) < 0)
		(void)!chdir("/");
	if (launch->unit)
		execvp(word[0], word);
	else
		execv(SELF, word);
	if (launch->foreground)
		log_error("cannot run %s: %s", word[0], strerror(errno));
	_exit(127);
}

int captive_launch(const struct captive_launch *launch, struct err *err)
{
	struct line line = {0};
	int ret = make_line(&line, launch);
	pid_t pid;

	if (ret < 0) {
		line_done(&line);
		return err_errno(err, ERR_SYSTEM, -ret, "cannot start the keeper of a server");
	}
	pid = fork();
	if (pid == 0) {
		/* An orphan at once: it is init's to reap. */
		if (fork() == 0)
			become(launch, line.word);
		_exit(0);
	}
	if (pid < 0)
		ret = err_errno(err, ERR_SYSTEM, errno, "cannot start the keeper of a server");
	else
		waitpid(pid, NULL, 0);
	line_done(&line);
	return ret;
}

/* The last part of our control group's name, which is the unit's; NULL: none. */
static char *own_unit(void)
{
	_cleanup_file_ FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];
	char *slash;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		slash = strrchr(line, '/');
		if (slash && strstr(slash, ".service"))
			return strdup(slash + 1);
	}
	return NULL;
}

bool captive_in_unit(bool foreground, char **ret_unit)
{
	char *unit;

	if (!foreground || !getenv("INVOCATION_ID") || access("/run/systemd/system", F_OK) < 0)
		return false;
	unit = own_unit();
	if (!unit)
		return false;
	*ret_unit = unit;
	return true;
}
