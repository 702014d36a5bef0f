/* SPDX-License-Identifier: MIT */
/*
 * Errors as values: functions return 0 or -errno and fill the caller's struct err.
 *
 * The kind alone decides what happens next (try again, give up, which exit status): no code parses
 * messages. A message is one sentence without a final full stop that says what is wrong and, where
 * the user can act, what to do. Nothing here blocks or allocates.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

#define ERR_MESSAGE_MAX 1024

enum err_kind {
	ERR_FAILED,    /* any other reason: exit status 1 */
	ERR_USAGE,     /* command line or configuration: 2 */
	ERR_BUSY,      /* the device is in use: 3 */
	ERR_RETRY,     /* the server cannot be reached or is not ready: 4 */
	ERR_PERMANENT, /* the server refuses, or is not who or what it should be: 5 */
	ERR_SYSTEM,    /* this system cannot do it: 6 */
};

struct err {
	enum err_kind kind;
	char message[ERR_MESSAGE_MAX];
};

/*
 * Fills *err (which may be NULL) and returns -errno_value, so that a caller can write
 * `return err_set(err, ERR_RETRY, ETIMEDOUT, "...")`. errno_value is positive.
 */
int err_set(struct err *err, enum err_kind kind, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* As err_set(), but appends `: ` and the text of errno_value to the message. */
int err_errno(struct err *err, enum err_kind kind, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts text in front of a message that is already set; `err` may be NULL. */
void err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The documented exit status of a kind: 1 to 6. */
int err_exit_status(enum err_kind kind);

#endif
