/* SPDX-License-Identifier: MIT */
#include "cli/conf-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/device.h"
#include "cli/server-captive.h"
#include "cli/name.h"
#include "cli/server.h"
#include "endpoint/uri-parts.h"

#define CONFIG_SIZE_MAX 65536

/* Root uses only files that no other user can write. Other users can use their own files. */
static int check_owner(const struct stat *st, struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return part_bad(err, "this is not a file");
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return part_bad(err,
				"this file belongs to user %u, not to root: a configuration that "
				"other users can write is not used",
				(unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return part_bad(
		    err, "other users than its owner can write this file: run chmod go-w on it");
	if (st->st_size > CONFIG_SIZE_MAX)
		return part_bad(err, "this file is larger than %d bytes", CONFIG_SIZE_MAX);
	return 0;
}

/* Fills buf, of CONFIG_SIZE_MAX + 1 bytes, from its beginning; *len is 0 at first. The message
 * lacks the file's name. */
static int load(const char *path, char *buf, size_t *len, struct err *err)
{
	/* A pipe instead of a file must not block. */
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n;
	int ret;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, ERR_USAGE, errno, "this file cannot be read");
	ret = check_owner(&st, err);
	if (ret < 0)
		return ret;
	while ((n = read(fd, buf + *len, CONFIG_SIZE_MAX + 1 - *len)) > 0)
		*len += (size_t)n;
	if (n < 0)
		return err_errno(err, ERR_USAGE, errno, "this file cannot be read");
	if (*len > CONFIG_SIZE_MAX)
		return part_bad(err, "this file is larger than %d bytes", CONFIG_SIZE_MAX);
	return 0;
}

static void read_lines(struct config_reader *r, const char *buf, size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *end = memchr(buf + at, '\n', len - at);
		size_t n = end ? (size_t)(end - buf) - at : len - at;

		r->line++;
		if (memchr(buf + at, '\0', n))
			complain_of(r, "the line contains a NUL byte");
		else
			config_line(r, buf + at, n);
		at += n + 1;
	}
}

/* The line of an option, for errors that are found after the whole file was read. */
static unsigned line_of(const struct config *c, const char *name)
{
	for (size_t i = c->n; i > 0; i--)
		if (strcmp(c->entry[i - 1].def->name, name) == 0)
			return c->entry[i - 1].line;
	return 0;
}

bool config_has_unix(const struct config *config)
{
	return line_of(config, "unix") > 0;
}

static int check_device(const struct config *c, struct err *err)
{
	const char *name;
	size_t len;
	int index, of_name, r;
	char word[32];

	if (strcmp(c->device, "auto") == 0)
		index = -1;
	else if ((r = device_parse(c->device, ", or auto for a free one", &index, err)) < 0)
		return r;
	name = config_name_of(c->path, &len);
	snprintf(word, sizeof(word), "%.*s", (int)len, name);
	if (device_parse(word, "", &of_name, NULL) == 0 && of_name != index)
		return part_bad(err, "the name of this file says %s, but its device line says %s",
				word, c->device);
	return 0;
}

static bool is_relative(const struct options *o)
{
	bool relative = server_is_relative(&o->endpoint);

	for (size_t i = 0; i < o->n_failover; i++)
		relative |= server_is_relative(&o->failover[i]);
	return relative;
}

/* The server, from `target`, `unix` or `image`. *incomplete: it is wrong, unless other files add
 * something; NULL if there are none. */
static int check_server(struct options *o, const char *target, bool *incomplete, struct err *err)
{
	int r = 0;

	if (target && (o->unix_path || o->image))
		return part_bad(err, "target and %s name two servers: leave one of them out",
				o->unix_path ? "unix" : "image");
	if (target && captive_is_line(target))
		r = captive_from_line(o, target, err);
	/* No other file can mend the address. */
	if (r == 0 && incomplete && !captive_wanted(o))
		r = server_check_address(o, target, err);
	if (r < 0)
		return r;
	r = server_apply(o, o->captive ? NULL : target, NULL, err);
	if ((r == 0 || incomplete) && is_relative(o))
		return part_bad(err, "a path in this file must be absolute");
	if (r == 0 || !incomplete)
		return r;
	*incomplete = true;
	return 0;
}

/* Checks the lines together. */
static void check_whole(struct config_reader *r)
{
	struct config *c = r->config;
	const struct option_pair *pair = options_conflict(&r->given);
	struct err e;

	c->server_line = c->target	      ? c->target_line
			 : config_has_unix(c) ? line_of(c, "unix")
					      : line_of(c, "image");

	if (pair) {
		unsigned a = line_of(c, pair->a), b = line_of(c, pair->b);

		option_pair_explain(pair, &e);
		config_complain(r, a > b ? a : b, &e);
	}
	if (c->device && check_device(c, &e) < 0)
		config_complain(r, c->device_line, &e);
	if (c->server_line &&
	    check_server(&r->scratch, c->target, r->first ? &c->incomplete : NULL, &e) < 0)
		config_complain(r, c->server_line, &e);
}

static int parse(struct config_reader *r, const char *buf, size_t len)
{
	read_lines(r, buf, len);
	check_whole(r);
	return r->errors ? -EINVAL : 0;
}

static int read_and_check(struct config_reader *r)
{
	_cleanup_free_ char *buf = malloc(CONFIG_SIZE_MAX + 1);
	struct err e;
	size_t len = 0;
	int ret;

	if (!buf || !r->config->path)
		return part_no_memory(r->err);
	ret = load(r->config->path, buf, &len, &e);
	if (ret < 0) {
		config_complain(r, 0, &e);
		return ret;
	}
	return parse(r, buf, len);
}

static int finish(struct config_reader *r, int ret, struct config *ret_config)
{
	options_done(&r->scratch);
	if (ret < 0)
		config_done(r->config);
	else
		*ret_config = *r->config;
	return ret;
}

static int read_file(const struct config_reader *how, const char *path, struct config *ret_config)
{
	struct config config = {.path = strdup(path)};
	struct config_reader r = *how;

	r.config = &config;
	options_init(&r.scratch);
	return finish(&r, read_and_check(&r), ret_config);
}

int config_read(const char *path, struct config *ret_config, config_error_fn *fn, void *arg,
		struct err *err)
{
	const struct config_reader r = {.fn = fn, .arg = arg, .err = err};

	return read_file(&r, path, ret_config);
}

int config_read_first(const char *path, struct config *ret_config, config_error_fn *fn, void *arg,
		      struct err *err)
{
	const struct config_reader r = {.first = true, .fn = fn, .arg = arg, .err = err};

	return read_file(&r, path, ret_config);
}

int config_read_part(const char *path, struct config *ret_config, config_error_fn *fn, void *arg,
		     struct err *err)
{
	const struct config_reader r = {.part = true, .fn = fn, .arg = arg, .err = err};

	return read_file(&r, path, ret_config);
}

int config_parse(const char *path, const char *text, size_t len, struct config *ret_config,
		 config_error_fn *fn, void *arg, struct err *err)
{
	struct config config = {.path = strdup(path)};
	struct config_reader r = {.config = &config, .fn = fn, .arg = arg, .err = err};
	int ret;

	options_init(&r.scratch);
	ret = config.path ? 0 : part_no_memory(err);
	if (ret == 0)
		ret = parse(&r, text, len);
	return finish(&r, ret, ret_config);
}

void config_done(struct config *config)
{
	free(config->path);
	free(config->target);
	free(config->device);
	for (size_t i = 0; i < config->n; i++)
		free(config->entry[i].value);
	*config = (struct config){0};
}

int config_no_server(const char *path, struct err *err)
{
	return part_bad(err,
			"%s: this file names no server: add `target = HOST`, "
			"`target = nbd://HOST/EXPORT` or `unix = PATH`",
			path);
}

int config_check(const char *path, config_error_fn *fn, void *arg, struct err *err)
{
	struct config config;
	int ret = config_read(path, &config, fn, arg, err);

	if (ret < 0)
		return ret;
	if (!config.target && !config_has_unix(&config) && line_of(&config, "image") == 0) {
		ret = config_no_server(path, err);
		if (fn && err)
			fn(err, arg);
	}
	config_done(&config);
	return ret;
}
