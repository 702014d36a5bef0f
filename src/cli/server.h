/* SPDX-License-Identifier: MIT */
/*
 * The server that a command line or a configuration file names, in whatever form: HOST, URI, Unix
 * socket, captive server. Nothing blocks.
 */
#ifndef CLI_SERVER_H
#define CLI_SERVER_H

#include <stdbool.h>

#include "cli/options.h"

/*
 * Fills o->endpoint, which must be empty, from `server`, a HOST or URI, or NULL, with the export,
 * or NULL, and from what *o has of --unix, --port, --export and --source. Returns 0, or -errno with
 * *err (ERR_USAGE; ERR_FAILED for want of memory).
 */
int server_apply(struct options *o, const char *server, const char *export_name, struct err *err);

/*
 * Checks what server_apply() will read first, which no further option can mend: the address and the
 * export. The options must not ask for a captive server.
 */
int server_check_address(const struct options *o, const char *server, struct err *err);

/* True if a path in it depends on the working directory. */
bool server_is_relative(const struct endpoint *e);

/*
 * A device outlives the directory that its command was typed in: makes every path of the endpoint,
 * or one path (NULL and "" stay), absolute. Returns 0, or -errno with *err.
 */
int server_paths_absolute(struct endpoint *e, struct err *err);
int server_path_absolute(char **path, struct err *err);

#endif
