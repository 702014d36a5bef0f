/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/conf.h"
#include "cli/merge.h"
#include "cli/name.h"
#include "cli/server-captive.h"
#include "cli/table.h"
#include "kernel/device.h"
#include "verbs/verbs.h"

static void say(const struct err *err, void *arg)
{
	(void)arg;
	log_error("%s", err->message);
}

/* A directory, such as a mount point in /, may have the name of a configuration. */
static bool is_there(const char *word)
{
	struct stat st;

	return stat(word, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* `word` is a file. If there is no such file, it is the NAME or NAME.conf of a configuration. */
static void find_file(const char *word, char *path, size_t size)
{
	size_t len;
	const char *start = config_name_of(word, &len);
	_cleanup_free_ char *name = strndup(start, len);
	int index;

	config_path(word, path, size);
	if (name && start == word && !is_there(word) && access(path, F_OK) < 0)
		word = name;
	if ((config_is_name(word, strlen(word)) || device_parse(word, "", &index, NULL) == 0) &&
	    !strchr(word, '/') && !is_there(word))
		config_path(word, path, size);
	else
		snprintf(path, size, "%s", word);
}

/*
 * A file that is named but missing. Whether the worker's or the server's account may read it is not
 * checked. The socket of a server exists only while the server runs.
 */
static bool is_missing(const struct options_setting *s)
{
	const char *path = option_path(s->def, s->value);

	return s->file && path && strcmp(s->def->name, "unix") != 0 && access(path, F_OK) < 0 &&
	       (errno == ENOENT || errno == ENOTDIR);
}

/* The command of a captive server, as execvp(3) will look for it. */
static bool is_command_missing(const char *target, char *name, size_t size)
{
	const char *path = getenv("PATH");
	size_t len;

	if (!target || !captive_is_line(target))
		return false;
	target += 1 + strspn(target + 1, " \t");
	len = strcspn(target, " \t");
	snprintf(name, size, "%.*s", (int)len, target);
	if (strchr(name, '/'))
		return access(name, X_OK) < 0;
	for (path = path ? path : "/usr/bin:/bin"; *path; path += len + (path[len] == ':')) {
		char file[2 * PATH_MAX];

		len = strcspn(path, ":");
		snprintf(file, sizeof(file), "%.*s/%s", (int)len, path, name);
		if (access(file, X_OK) == 0)
			return false;
	}
	return true;
}

static int check_command(const char *path, struct err *err)
{
	char command[PATH_MAX];
	struct config config;
	int missing;

	if (config_read_first(path, &config, NULL, NULL, err) < 0)
		return err_exit_status(err->kind);
	missing = is_command_missing(config.target, command, sizeof(command));
	if (missing)
		log_error("%s:%u: target: there is no command %s", path, config.target_line,
			  command);
	config_done(&config);
	return missing ? err_exit_status(ERR_USAGE) : 0;
}

static int check_files(const struct options *o)
{
	int missing = 0;

	for (size_t i = 0; i < o->n_settings; i++) {
		const struct options_setting *s = &o->settings[i];

		if (!is_missing(s))
			continue;
		log_error("%s:%u: %s: there is no %s", s->file, s->line, s->def->name,
			  option_path(s->def, s->value));
		missing++;
	}
	return missing ? err_exit_status(ERR_USAGE) : 0;
}

/* The file, its drop-ins and the defaults, combined as for attaching. */
static int check_together(const char *path, struct err *err)
{
	struct options o;
	int status, command;

	if (options_parse_config(path, &o, err) < 0) {
		log_error("%s", err->message);
		return err_exit_status(err->kind);
	}
	cmd_tell_left_out(&o);
	status = check_files(&o);
	options_done(&o);
	command = check_command(path, err);
	return status ? status : command;
}

/* A file that completes others; goes on to the next one, *arg being the worst exit status. */
static int check_part(const char *file, void *arg, struct err *err)
{
	int *worst = arg;
	struct config config;

	if (config_read_part(file, &config, say, NULL, err) < 0)
		*worst = err_exit_status(err->kind);
	else
		config_done(&config);
	return 0;
}

int cmd_check_config(const struct options *o)
{
	char path[PATH_MAX];
	struct config config;
	struct err err;
	int status = 0;

	find_file(o->file, path, sizeof(path));
	if (strcmp(path, CONFIG_DEFAULTS) == 0) {
		check_part(path, &status, &err);
		return status;
	}
	if (config_each_drop_in(path, check_part, &status, &err) < 0) {
		log_error("%s", err.message);
		return err_exit_status(err.kind);
	}
	if (config_read_first(path, &config, say, NULL, &err) < 0)
		return err_exit_status(err.kind);
	config_done(&config);
	return status ? status : check_together(path, &err);
}
