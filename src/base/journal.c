/* SPDX-License-Identifier: MIT */
#include "base/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <unistd.h>

#include "base/held.h"

#define JOURNAL	    "/run/systemd/journal/socket"
#define JOURNAL_LOG "/run/systemd/journal/dev-log"

static int journal = -1;

bool journal_reads_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char now[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(now, sizeof(now), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	return strcmp(stream, now) == 0;
}

static bool open_journal(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && held_connect(fd, JOURNAL) == 0) {
		journal = fd;
		return true;
	}
	if (fd >= 0)
		close(fd);
	return false;
}

bool journal_send(const struct journal_line *l)
{
	char message[2600];
	int len;

	/* A line break in a field takes another form, and no line has one. */
	if (strchr(l->text, '\n'))
		return false;
	len = snprintf(
	    message, sizeof(message),
	    "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%s\n"
	    "SYSLOG_PID=%d\nNBD_DEVICE=%s\nNBD_STATE=%s\n%s%s%s",
	    l->text, l->priority, LOG_FAC(LOG_DAEMON), l->identifier, getpid(), l->device, l->state,
	    /* The unit of a process that has ended cannot be found any more. */
	    l->unit ? "OBJECT_SYSTEMD_UNIT=" : "", l->unit ? l->unit : "", l->unit ? "\n" : "");
	if (len < 0 || (size_t)len >= sizeof(message))
		return false;
	if (journal >= 0) {
		if (send(journal, message, (size_t)len, MSG_NOSIGNAL) >= 0)
			return true;
		if (errno == EAGAIN)
			return false; /* the journal reads too slowly */
		/* The journal has been started again. */
		close(journal);
		journal = -1;
	}
	return open_journal() && send(journal, message, (size_t)len, MSG_NOSIGNAL) >= 0;
}

bool journal_send_syslog(const struct journal_line *l)
{
	struct stat its, log;

	/* /dev/log need not be there: an empty root has none. */
	if (held_stat(JOURNAL_LOG, &its) < 0 ||
	    (held_stat("/dev/log", &log) == 0 &&
	     (its.st_dev != log.st_dev || its.st_ino != log.st_ino)))
		return false;
	return journal_send(l);
}
