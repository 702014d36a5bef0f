/* SPDX-License-Identifier: MIT */
/*
 * Configuration files: /etc/nbd-attach/NAME.conf, `name = value` lines whose names are the long
 * options of the table (cli/table.c), and two more: `target`, the server as a HOST, HOST:PORT
 * or URI, and `device`. Every line is checked in full, with the functions that check the command
 * line.
 *
 * A struct config owns its strings. Reading blocks as long as the file system does.
 */
#ifndef CLI_CONF_H
#define CLI_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/name.h"

#include "cli/table.h"

struct config_entry {
	const struct option_def *def;
	char *value; /* NULL: the option stands without one */
	unsigned line;
};

#define CONFIG_ENTRIES_MAX 128

struct config {
	char *path;
	char *target, *device; /* NULL: not in the file */
	unsigned target_line, device_line;
	size_t n;
	struct config_entry entry[CONFIG_ENTRIES_MAX]; /* in the file's order */
	struct option_bits off;			       /* what the file sets to no */
	unsigned server_line;			       /* of target, unix or image; 0: none */
	bool incomplete; /* config_read_first(): the server needs what other files may say */
};

/* Called for every error; the message has `FILE:LINE: ` in front. */
typedef void config_error_fn(const struct err *err, void *arg);

/*
 * Reads and checks `path`. 0 with *ret_config, to be freed with config_done(), or -errno with the
 * first error: ERR_USAGE for whatever is wrong with the file, be it missing (-ENOENT) or writable
 * by others than root. fn may be NULL.
 */
int config_read(const char *path, struct config *ret_config, config_error_fn *fn, void *arg,
		struct err *err);
void config_done(struct config *config);

/*
 * The same for a file that others complete: an error of the server, which may lack no more than a
 * tls-ca of the defaults, is left to the caller.
 */
int config_read_first(const char *path, struct config *ret_config, config_error_fn *fn, void *arg,
		      struct err *err);

/*
 * The same for a file that completes another one: CONFIG_DEFAULTS, or one in NAME.conf.d. It cannot
 * say which device or server is meant, and CONFIG_DEFAULTS no other server either.
 */
int config_read_part(const char *path, struct config *ret_config, config_error_fn *fn, void *arg,
		     struct err *err);

/* As config_read() of a file `path` that holds this text. */
int config_parse(const char *path, const char *text, size_t len, struct config *ret_config,
		 config_error_fn *fn, void *arg, struct err *err);

/* As config_read(), and the file must name a server. */
int config_check(const char *path, config_error_fn *fn, void *arg, struct err *err);

/* True if `--unix` is in the file. */
bool config_has_unix(const struct config *config);

/* `FILE names no server: ...`; -EINVAL. */
int config_no_server(const char *path, struct err *err);

#endif
