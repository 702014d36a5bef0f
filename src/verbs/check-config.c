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
#include "base/text.h"
#include "cli/conf.h"
#include "cli/merge.h"
#include "cli/name.h"
#include "cli/table.h"
#include "endpoint/uri.h"
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
 * A file that does not exist. Whether the worker's or the server's account may read it is not
 * checked.
 */
static bool is_missing(const char *path)
{
	return access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* A file that this line names. The number of errors. */
static int check_file(const char *file, unsigned line, const char *name, const char *path)
{
	char shown[PATH_MAX];
	struct text t;

	if (!path || !is_missing(path))
		return 0;
	text_init(&t, shown, sizeof(shown));
	text_escape(&t, path, strlen(path), sizeof(shown) / 4);
	log_error("%s:%u: %s: there is no %s", file, line, name, shown);
	return 1;
}

/* The files in the parameters of a URI. The number of errors. */
static int check_uri(const char *file, unsigned line, const char *name, const char *uri)
{
	struct endpoint e;
	int missing;

	if (!uri || !uri_is_meant(uri) || uri_parse(uri, &e, NULL) < 0)
		return 0;
	missing = check_file(file, line, name, e.tls_certificates) +
		  check_file(file, line, name, e.tls_psk_file);
	endpoint_done(&e);
	return missing;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Looks for a command as execvp(3) does. */
static bool is_command(const char *name)
{
	const char *path = getenv("PATH");
	size_t len;

	if (strchr(name, '/'))
		return is_program(name);
	for (path = path ? path : "/usr/bin:/bin"; *path; path += len + (path[len] == ':')) {
		char file[2 * PATH_MAX];

		len = strcspn(path, ":");
		snprintf(file, sizeof(file), "%.*s%s%s", (int)len, path, len ? "/" : "", name);
		if (is_program(file))
			return true;
	}
	return false;
}

/* The command of a captive server. The number of errors. */
static int check_command(const struct config *config, const struct options *o)
{
	struct stat st;

	if (!o->captive || is_command(o->captive[0]))
		return 0;
	if (strchr(o->captive[0], '/') && stat(o->captive[0], &st) == 0)
		log_error("%s:%u: target: %s is not a program that can be run", config->path,
			  config->target_line, o->captive[0]);
	else
		log_error("%s:%u: target: there is no command %s", config->path,
			  config->target_line, o->captive[0]);
	return 1;
}

/* The socket of a server exists only while the server runs. */
static int check_files(const struct config *config, const struct options *o)
{
	int missing = check_uri(config->path, config->target_line, "target", config->target);

	for (size_t i = 0; i < o->n_settings; i++) {
		const struct options_setting *s = &o->settings[i];

		if (!s->file || strcmp(s->def->name, "unix") == 0)
			continue;
		missing +=
		    check_file(s->file, s->line, s->def->name, option_path(s->def, s->value));
		if (strcmp(s->def->name, "failover") == 0)
			missing += check_uri(s->file, s->line, s->def->name, s->value);
	}
	return missing;
}

/* The file, its drop-ins and the defaults, combined as for attaching. `config` is the file. */
static int check_together(const struct config *config, struct err *err)
{
	struct options o;
	int errors;

	if (options_parse_config(config->path, &o, err) < 0) {
		log_error("%s", err->message);
		return err_exit_status(err->kind);
	}
	cmd_tell_left_out(&o);
	errors = check_files(config, &o) + check_command(config, &o);
	options_done(&o);
	return errors ? err_exit_status(ERR_USAGE) : 0;
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
	if (status == 0)
		status = check_together(&config, &err);
	config_done(&config);
	return status;
}
