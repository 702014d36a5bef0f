/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/conf.h"
#include "cli/name.h"
#include "cli/table.h"
#include "verbs/verbs.h"

static void say(const struct err *err, void *arg)
{
	(void)arg;
	log_error("%s", err->message);
}

/* A configuration's NAME in place of its file, if there is no file of that name here. */
static void find_file(const char *word, char *path, size_t size)
{
	if (config_is_name(word, strlen(word)) && access(word, F_OK) < 0)
		config_path(word, path, size);
	else
		snprintf(path, size, "%s", word);
}

/*
 * A file that is named but missing. Whether the worker's or the server's account may read it is not
 * checked. The socket of a server exists only while the server runs.
 */
static bool is_missing(const struct config_entry *e)
{
	const char *path = option_path(e->def, e->value);

	return path && strcmp(e->def->name, "unix") != 0 && access(path, F_OK) < 0 &&
	       (errno == ENOENT || errno == ENOTDIR);
}

static int check_files(const char *path, struct err *err)
{
	struct config config;
	int missing = 0;

	if (config_read(path, &config, say, NULL, err) < 0)
		return err_exit_status(err->kind);
	for (size_t i = 0; i < config.n; i++) {
		if (!is_missing(&config.entry[i]))
			continue;
		log_error("%s:%u: %s: there is no %s", path, config.entry[i].line,
			  config.entry[i].def->name,
			  option_path(config.entry[i].def, config.entry[i].value));
		missing++;
	}
	config_done(&config);
	return missing ? err_exit_status(ERR_USAGE) : 0;
}

int cmd_check_config(const struct options *o)
{
	char path[PATH_MAX];
	struct err err;

	find_file(o->file, path, sizeof(path));
	if (config_check(path, say, NULL, &err) < 0)
		return err_exit_status(err.kind);
	return check_files(path, &err);
}
