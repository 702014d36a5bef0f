/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/journal.h"

#define ERASE "\r\033[K" /* a terminal's line; the cursor is at its start then */

static struct {
	const char *name;
	enum log_sink sink;
	int level;
	bool journal;	   /* standard error leads to systemd's */
	char device[24];   /* for the journal; "": no fields are set */
	const char *state; /* for the journal */
	const char *unit;  /* for the journal; NULL: none */
	atomic_bool erase; /* set by the thread that shows a wait */
	bool kernel;	   /* to /dev/kmsg if there is no /dev/log */
	int fd;		   /* of /dev/log; -1: none */
} logger = {.name = "nbd-attach", .level = LOG_INFO, .fd = -1};

void log_init(const char *name, enum log_sink sink, int level)
{
	logger.name = name;
	logger.level = level;
	logger.journal = journal_reads_stderr();
	logger.unit = secure_getenv("NBD_ATTACH_UNIT");
	if (logger.unit && (!*logger.unit || strchr(logger.unit, '\n')))
		logger.unit = NULL;
	log_set_sink(sink);
}

/*
 * Uses its own datagram socket, because syslog(3) waits for a reader that may itself wait for our
 * device.
 */
static int dev_log(void)
{
	/* Where systemd runs, the first is a link to the second: no way in an empty root. */
	static const char *const path[] = {"/dev/log", "/run/systemd/journal/dev-log"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	for (size_t i = 0; fd >= 0 && i < sizeof(path) / sizeof(path[0]); i++)
		if (held_connect(fd, path[i]) == 0)
			return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

void log_set_sink(enum log_sink sink)
{
	if (sink == LOG_TO_SYSLOG && logger.fd < 0)
		logger.fd = dev_log();
	logger.sink = sink;
}

void log_to_kernel_log(void)
{
	logger.kernel = true;
}

void log_set_fields(int index, const char *state)
{
	snprintf(logger.device, sizeof(logger.device), "/dev/nbd%d", index);
	logger.state = state;
}

/* False: the line goes where it would go without fields. */
static bool to_journal(int priority, const char *text)
{
	const struct journal_line line = {
	    .identifier = logger.name,
	    .device = logger.device,
	    .state = logger.state,
	    .unit = logger.sink == LOG_TO_STDERR ? logger.unit : NULL,
	    .text = text,
	    .priority = priority,
	};

	if (!logger.device[0])
		return false;
	if (logger.sink == LOG_TO_SYSLOG)
		return journal_send_syslog(&line);
	return logger.journal && journal_send(&line);
}

static void to_kernel_log(int priority, const char *line)
{
	_cleanup_fd_ int fd = held_open("/dev/kmsg", O_WRONLY | O_NONBLOCK, 0);
	char record[976]; /* a longer one is refused */
	int len = snprintf(record, sizeof(record), "<%d>%s[%d]: %.900s", LOG_DAEMON | priority,
			   logger.name, getpid(), line);

	/* Not by dprintf(3), which asks for the file's position first: the answer is an error. */
	if (fd >= 0)
		(void)!write(fd, record, (size_t)len);
}

static void to_syslog(int priority, const char *line)
{
	char message[2200];
	int len = snprintf(message, sizeof(message), "<%d>%s[%d]: %s", LOG_DAEMON | priority,
			   logger.name, getpid(), line);

	if (logger.fd >= 0) {
		if (send(logger.fd, message, (size_t)len, MSG_NOSIGNAL) >= 0 || errno == EAGAIN)
			return; /* EAGAIN: the log has no reader, and only this line is lost */
		/* The log's daemon has been started again. */
		close(logger.fd);
	}
	logger.fd = dev_log();
	if ((logger.fd < 0 || send(logger.fd, message, (size_t)len, MSG_NOSIGNAL) < 0) &&
	    logger.kernel)
		to_kernel_log(priority, line);
}

static void to_stderr(int priority, const char *line)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (poll(&p, 1, 0) <= 0)
		return; /* a full pipe without a reader */
	if (logger.journal)
		dprintf(STDERR_FILENO, "<%d>%s\n", priority, line);
	else
		dprintf(STDERR_FILENO, "%s%s: %s%s\n", logger.erase ? ERASE : "", logger.name,
			priority == LOG_WARNING ? "warning: " : "", line);
}

bool log_says(int priority)
{
	return priority <= logger.level;
}

void log_set_erase(bool erase)
{
	logger.erase = erase;
}

void log_erase(void)
{
	if (logger.erase)
		(void)!write(STDERR_FILENO, ERASE, sizeof(ERASE) - 1);
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
	if (to_journal(priority, line))
		return;
	if (logger.sink == LOG_TO_SYSLOG)
		to_syslog(priority, line);
	else
		to_stderr(priority, line);
}
