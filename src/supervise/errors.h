/* SPDX-License-Identifier: MIT */
/*
 * The requests that the server answered with an error, as the kernel's log tells them, and whether
 * the server in use says that it is shutting down (NBD_ESHUTDOWN). Such an answer is a hint, which
 * is shown: it proves nothing about the connection. Pure: the log's count and the times are passed
 * in.
 */
#ifndef SUPERVISE_ERRORS_H
#define SUPERVISE_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/kmsg.h"
#include "runtime/state.h"

/* Times are monotonic ms unless said otherwise. All zeroes: the log cannot be read. */
struct errors {
	bool known; /* the kernel's log can be read */
	struct kmsg_errors seen;
	int64_t last_at;   /* seconds since 1970, when the last error was seen; 0: there is none */
	bool leaving;	   /* the server in use says that it is shutting down */
	bool leaving_said; /* the log was told */
	uint64_t said;	   /* errors that the log was told of */
	uint64_t said_at;
};

/* What the log of nbd-attach is to be told. */
enum errors_news {
	ERRORS_NOTHING,
	ERRORS_COUNT,	/* requests have failed: at most once in ERRORS_SAY_MS */
	ERRORS_LEAVING, /* the server in use says for the first time that it is shutting down */
};

#define ERRORS_SAY_MS 60000 /* ms between two messages that tell of errors */

/* The log's count at this moment; wall: the time in seconds since 1970. */
enum errors_news errors_look(struct errors *e, const struct kmsg_errors *now_seen, uint64_t now,
			     int64_t wall);

/* New connections have taken the place of those that the hint was about. */
void errors_renewed(struct errors *e);

/* The name of an error of the protocol, "EIO"; or its number, in buf. */
const char *errors_name(unsigned error, char *buf, size_t size);

void errors_report(const struct errors *e, struct state *ret_state);

#endif
