/* SPDX-License-Identifier: MIT */
/*
 * Attaches every configuration. Each has a process of its own, as if its command had been typed:
 * they run side by side, so that one that waits for its server does not hold up the others.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/name.h"
#include "kernel/device.h"
#include "verbs/verbs.h"

struct one {
	char path[512];
	pid_t pid; /* -1: there is none */
	int status;
	bool is_told; /* a sentence says already why it is not attached */
};

static int is_config(const struct dirent *d)
{
	return config_is_file(d) && strcmp(d->d_name, strrchr(CONFIG_DEFAULTS, '/') + 1) != 0;
}

/* In the child: what main() does with `--config PATH`. */
static int attach(const struct options *all, const char *path)
{
	struct options o;
	struct err err;
	int status;

	if (options_parse_config(path, &o, &err) < 0) {
		log_error("%s", err.message);
		return err_exit_status(err.kind);
	}
	if (all->log_level == LOG_NOTICE)
		log_init("nbd-attach", LOG_TO_STDERR, o.log_level);
	status = cmd_attach(&o);
	options_done(&o);
	return status;
}

/* A device that was attached from another file would not be recognised the next time. */
static bool has_name(const char *path)
{
	size_t len;
	const char *start = config_name_of(path, &len);
	_cleanup_free_ char *name = strndup(start, len);
	int index;

	return name && (config_is_name(name, len) || device_parse(name, "", &index, NULL) == 0);
}

/* Starts the process. Its signals are as they were when this command was started. */
static void start(const struct options *o, struct one *one, const sigset_t *mask)
{
	pid_t parent = getpid();

	one->pid = fork();
	if (one->pid == 0) {
		int status = err_exit_status(ERR_FAILED);

		prctl(PR_SET_PDEATHSIG, SIGTERM);
		sigprocmask(SIG_SETMASK, mask, NULL);
		if (getppid() == parent)
			status = attach(o, one->path);
		fflush(stdout);
		_exit(status);
	}
	if (one->pid < 0)
		log_error("cannot start a process for %s: %s", one->path, strerror(errno));
	one->status = err_exit_status(ERR_SYSTEM);
}

static void begin(const struct options *o, struct one *one, const sigset_t *mask)
{
	if (has_name(one->path)) {
		start(o, one, mask);
		return;
	}
	one->pid = -1;
	one->status = err_exit_status(ERR_USAGE);
	one->is_told = true;
	log_error("%s is not attached: without .conf, that is not the name of a configuration, "
		  "which has 1 to %d letters, digits, dots, dashes and underscores",
		  one->path, CONFIG_NAME_MAX);
}

/* The signals that end this command, and the one that says that a child has ended. */
static void block_signals(sigset_t *ret_blocked, sigset_t *ret_mask)
{
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction old;

	sigemptyset(ret_blocked);
	sigaddset(ret_blocked, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaddset(ret_blocked, ending[i]);
	sigprocmask(SIG_BLOCK, ret_blocked, ret_mask);
}

/* Takes note of each that has ended. Returns how many have not. */
static size_t look(struct one *one, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		int status;
		pid_t pid = one[i].pid > 0 ? waitpid(one[i].pid, &status, WNOHANG) : -1;

		if (pid == 0) {
			left++;
			continue;
		}
		if (pid > 0)
			one[i].status =
			    WIFEXITED(status) ? WEXITSTATUS(status) : err_exit_status(ERR_FAILED);
		one[i].pid = -1;
	}
	return left;
}

/* Each waiting command ends its own supervisor. */
static void interrupt(const struct one *one, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (one[i].pid > 0)
			kill(one[i].pid, SIGTERM);
}

static void finish(struct one *one, size_t n, const sigset_t *blocked)
{
	while (look(one, n) > 0) {
		int number = sigwaitinfo(blocked, NULL);

		if (number > 0 && number != SIGCHLD)
			interrupt(one, n);
	}
}

static int tell(const struct one *one, size_t n)
{
	int worst = 0;

	for (size_t i = 0; i < n; i++) {
		if (one[i].status && !one[i].is_told)
			log_error("%s is not attached: exit status %d", one[i].path, one[i].status);
		worst = one[i].status > worst ? one[i].status : worst;
	}
	return worst;
}

static int attach_each(const struct options *o, struct dirent **file, size_t n)
{
	struct one *one = calloc(n, sizeof(*one));
	sigset_t blocked, mask;
	int worst;

	if (!one) {
		log_error("out of memory");
		return err_exit_status(ERR_SYSTEM);
	}
	block_signals(&blocked, &mask);
	for (size_t i = 0; i < n; i++) {
		snprintf(one[i].path, sizeof(one[i].path), "%s/%s", CONFIG_DIR, file[i]->d_name);
		begin(o, &one[i], &mask);
	}
	finish(one, n, &blocked);
	worst = tell(one, n);
	free(one);
	return worst;
}

int cmd_attach_all(const struct options *o)
{
	struct dirent **file = NULL;
	int n = scandir(CONFIG_DIR, &file, is_config, alphasort), status = 0;

	if (n < 0 && errno != ENOENT) {
		log_error("cannot read %s: %s", CONFIG_DIR, strerror(errno));
		return err_exit_status(ERR_USAGE);
	}
	if (n > 0)
		status = attach_each(o, file, (size_t)n);
	else
		log_notice("there is no configuration in %s", CONFIG_DIR);
	for (int i = 0; i < n; i++)
		free(file[i]);
	free(file);
	return status;
}
