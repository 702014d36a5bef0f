/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
	const char *name;
	enum log_sink sink;
	int level;
	bool prefix;
} logger = {.name = "nbd-attach", .level = LOG_INFO};

void log_init(const char *name, enum log_sink sink, int level)
{
	logger.name = name;
	logger.level = level;
	logger.prefix = getenv("JOURNAL_STREAM") != NULL && !isatty(STDERR_FILENO);
	log_set_sink(sink);
}

void log_set_sink(enum log_sink sink)
{
	if (sink == LOG_TO_SYSLOG)
		openlog(logger.name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	logger.sink = sink;
}

void log_line(int priority, const char *format, ...)
{
	char line[2048];
	va_list ap;

	if (priority > logger.level)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (logger.sink == LOG_TO_SYSLOG)
		syslog(priority, "%s", line);
	else if (logger.prefix)
		dprintf(STDERR_FILENO, "<%d>%s\n", priority, line);
	else
		dprintf(STDERR_FILENO, "%s: %s\n", logger.name, line);
}
