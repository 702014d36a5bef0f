/* SPDX-License-Identifier: MIT */
/*
 * The journal of systemd in its own protocol, one datagram a line, so that a line has fields by
 * which journalctl(1) finds it. Never blocks. The socket is kept for the next line.
 */
#ifndef BASE_JOURNAL_H
#define BASE_JOURNAL_H

#include <stdbool.h>

struct journal_line {
	const char *identifier; /* the program's name */
	const char *device;	/* NBD_DEVICE */
	const char *state;	/* NBD_STATE */
	const char *unit;	/* that the line is about; NULL: none */
	const char *text;
	int priority;
};

/* Standard error is a stream to the journal, as JOURNAL_STREAM says. */
bool journal_reads_stderr(void);

/* False: the line was not taken, and belongs where it would go without fields. */
bool journal_send(const struct journal_line *l);
/* The same for a line that would go to /dev/log, which need not be the journal's. */
bool journal_send_syslog(const struct journal_line *l);

#endif
