/* SPDX-License-Identifier: MIT */
/*
 * What a captive server says on standard error, line by line: escaped, cut where it is too long,
 * and no more than so many lines in so much time. Nothing blocks.
 */
#ifndef CAPTIVE_KEEPER_LOG_H
#define CAPTIVE_KEEPER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEEPER_LOG_LINES    50	  /* in a period */
#define KEEPER_LOG_PERIOD   10000 /* ms */
#define KEEPER_LOG_LINE_MAX 400	  /* bytes; the rest of a line is dropped */

/* A line for the log, printable. */
typedef void keeper_log_fn(const char *line, void *arg);

struct keeper_log {
	keeper_log_fn *fn;
	void *arg;
	char line[KEEPER_LOG_LINE_MAX];
	size_t len;
	uint64_t since; /* monotonic ms, of the period */
	unsigned lines, dropped;
	char last[512]; /* the last line that tells more than to read the help, escaped; or "" */
};

void keeper_log_init(struct keeper_log *l, keeper_log_fn *fn, void *arg);
void keeper_log_add(struct keeper_log *l, const char *bytes, size_t n, uint64_t now);

/* The server has ended: what it said without a newline is a line, too. */
void keeper_log_end(struct keeper_log *l, uint64_t now);

#endif
