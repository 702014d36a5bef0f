/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/conf.h"
#include "cli/server-captive.h"
#include "cli/server.h"
#include "cli/table.h"
#include "endpoint/uri.h"
#include "endpoint/uri-parts.h"
#include "verbs/verbs.h"

/* How the output is called when it could not be read as a configuration. */
#define OUTPUT_NAME "the output of --show-config"

static bool is_set(const struct options *o, const char *name)
{
	for (size_t i = 0; i < o->n_settings; i++)
		if (strcmp(o->settings[i].def->name, name) == 0)
			return true;
	return false;
}

/* The server's URI, without what the options below it say. */
static char *uri_of(const struct options *o)
{
	struct endpoint e = o->endpoint; /* owns nothing */

	if (is_set(o, "tls-hostname"))
		e.tls_hostname = NULL;
	if (is_set(o, "tls-username"))
		e.tls_username = NULL;
	if (is_set(o, "tls-certificates"))
		e.tls_certificates = NULL;
	if (is_set(o, "tls-psk"))
		e.tls_psk_file = NULL;
	e.tls_verify_peer |= is_set(o, "tls-verify-peer");
	return endpoint_whole_uri(&e);
}

/* Left out: options that the target contains, and options that a file cannot have. */
static bool is_left_out(const struct options *o, const struct option_def *def)
{
	static const char *const in_target[] = {"unix", "port", "export"};

	if (!def->in_file)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(in_target); i++)
		if (strcmp(def->name, in_target[i]) == 0)
			return !o->image && !o->captive;
	return false;
}

/* A URI whose paths do not depend on the working directory. */
static char *absolute_uri(const char *value)
{
	struct endpoint e;
	struct err err;
	char *text = NULL;

	if (uri_parse(value, &e, &err) < 0)
		return NULL;
	if (server_paths_absolute(&e, &err) == 0)
		text = endpoint_whole_uri(&e);
	endpoint_done(&e);
	return text;
}

/* The value as a file may have it. NULL: no memory. */
static char *value_of(const struct options_setting *s)
{
	const char *path = option_path(s->def, s->value);
	_cleanup_free_ char *absolute = NULL;
	struct err err;
	char *text;

	if (!s->value)
		return strdup("yes");
	if (strcmp(s->def->name, "failover") == 0)
		return absolute_uri(s->value);
	if (!path)
		return strdup(s->value);
	absolute = strdup(path);
	if (!absolute || server_path_absolute(&absolute, &err) < 0 ||
	    asprintf(&text, "%.*s%s", (int)(path - s->value), s->value, absolute) < 0)
		return NULL;
	return text;
}

/* *lost: blanks at the ends of a value, which a file does not keep. */
static void print_line(FILE *out, const char *name, const char *value, bool *lost)
{
	size_t len = strlen(value);

	*lost |=
	    len && (isspace((unsigned char)value[0]) || isspace((unsigned char)value[len - 1]));
	fprintf(out, "%s = %s\n", name, value);
}

static int print_settings(const struct options *o, FILE *out, bool *lost)
{
	const char *file = "";
	bool verbose = false; /* said once; a file cannot say it twice */

	for (size_t i = 0; i < o->n_settings; i++) {
		const struct options_setting *s = &o->settings[i];
		const char *from = s->file ? s->file : "the command line";
		_cleanup_free_ char *value = value_of(s);
		bool again = verbose && strcmp(s->def->name, "verbose") == 0;

		if (!value)
			return -1;
		if (is_left_out(o, s->def) || again)
			continue;
		verbose |= strcmp(s->def->name, "verbose") == 0;
		if (strcmp(file, from) != 0)
			fprintf(out, "# from %s\n",
				part_printable(from, strlen(from)) ? from : quoted_str(from).text);
		file = from;
		print_line(out, s->def->name, value, lost);
	}
	return 0;
}

static int print(const struct options *o, FILE *out, bool *lost)
{
	_cleanup_free_ char *target = o->captive ? captive_line(o) : uri_of(o);

	if (!target)
		return -1;
	if (!o->image)
		fprintf(out, "target = %s\n", target);
	if (o->captive && o->endpoint.export_name[0] && !is_set(o, "export"))
		print_line(out, "export", o->endpoint.export_name, lost);
	fprintf(out, "device = %s\n", o->device);
	if (o->name && !is_set(o, "name"))
		fprintf(out, "name = %s\n", o->name);
	if (print_settings(o, out, lost) < 0)
		return -1;
	for (size_t i = 0; i < o->n_left_out; i++)
		fprintf(out, "# left out, from %s:%u: %s: %s\n", o->left_out[i].file,
			o->left_out[i].line, o->left_out[i].def->name, o->left_out[i].why);
	return 0;
}

static void say(const struct err *err, void *arg)
{
	(void)arg;
	log_error("%s", err->message);
}

/* The output is a promise: a file that would not be taken is not called success. */
static int check(const char *text, size_t len, bool lost)
{
	struct config config;
	struct err err;
	int r = config_parse(OUTPUT_NAME, text, len, &config, say, NULL, &err);

	if (r == 0)
		config_done(&config);
	if (r == 0 && !lost)
		return 0;
	log_error("a configuration file cannot say this%s; put a command into a script",
		  lost ? ", because it does not keep blanks at the ends of a value" : "");
	return err_exit_status(ERR_FAILED);
}

int cmd_show_config(const struct options *o)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool lost = false;
	int failed = out ? print(o, out, &lost) : -1;

	if (!out || fclose(out) != 0 || failed) {
		log_error("out of memory");
		return err_exit_status(ERR_SYSTEM);
	}
	fputs(text, stdout);
	return check(text, len, lost);
}

void cmd_tell_left_out(const struct options *o)
{
	for (size_t i = 0; i < o->n_left_out; i++)
		log_info("%s:%u: %s is left out: %s", o->left_out[i].file, o->left_out[i].line,
			 o->left_out[i].def->name, o->left_out[i].why);
}
