/* SPDX-License-Identifier: MIT */
/*
 * Attaches every configuration. Each has a process of its own, as if its command had been typed:
 * they run side by side, so that one that waits for its server does not hold up the others.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/name.h"
#include "verbs/verbs.h"

struct one {
	char path[512];
	pid_t pid; /* -1: it could not be started */
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

static void start(const struct options *o, struct one *one)
{
	one->pid = fork();
	if (one->pid == 0) {
		int status = attach(o, one->path);

		fflush(stdout);
		_exit(status);
	}
	if (one->pid < 0)
		log_error("cannot start a process for %s: %s", one->path, strerror(errno));
}

static int finish(const struct one *one)
{
	int status = 0;
	pid_t pid;

	if (one->pid < 0)
		return err_exit_status(ERR_SYSTEM);
	do {
		pid = waitpid(one->pid, &status, 0);
	} while (pid < 0 && errno == EINTR);
	status = pid == one->pid && WIFEXITED(status) ? WEXITSTATUS(status)
						      : err_exit_status(ERR_FAILED);
	if (status)
		log_error("%s is not attached: exit status %d", one->path, status);
	return status;
}

static int attach_each(const struct options *o, struct dirent **file, size_t n)
{
	struct one *one = calloc(n, sizeof(*one));
	int worst = 0;

	if (!one) {
		log_error("out of memory");
		return err_exit_status(ERR_SYSTEM);
	}
	for (size_t i = 0; i < n; i++) {
		snprintf(one[i].path, sizeof(one[i].path), "%s/%s", CONFIG_DIR, file[i]->d_name);
		start(o, &one[i]);
	}
	for (size_t i = 0; i < n; i++) {
		int status = finish(&one[i]);

		worst = status > worst ? status : worst;
	}
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
