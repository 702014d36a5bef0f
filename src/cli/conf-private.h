/* SPDX-License-Identifier: MIT */
/* Shared by cli/conf.c, which reads the file, and cli/conf-line.c, which reads its lines. */
#ifndef CLI_CONF_PRIVATE_H
#define CLI_CONF_PRIVATE_H

#include "cli/conf.h"
#include "cli/table.h"

/* The file while it is read. `scratch` takes the values, so that they are checked as on the
 * command line. */
struct config_reader {
	struct config *config;
	struct options scratch;
	struct option_bits given, seen;
	bool part, first; /* read by config_read_part(), config_read_first() */
	unsigned line;
	unsigned errors;
	config_error_fn *fn;
	void *arg;
	struct err *err;
};

/* Reports an error, prefixed with the file and, unless it is 0, the line number. */
void config_complain(struct config_reader *r, unsigned line, struct err *e);

#define complain_of(r, ...)                         \
	do {                                        \
		struct err e_;                      \
		part_bad(&e_, __VA_ARGS__);         \
		config_complain(r, (r)->line, &e_); \
	} while (0)

/* Reads the line r->line, of len bytes without NUL. */
void config_line(struct config_reader *r, const char *p, size_t len);

#endif
