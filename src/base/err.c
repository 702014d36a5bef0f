/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void vset(struct err *err, enum err_kind kind,
						       const char *format, va_list ap)
{
	err->kind = kind;
	vsnprintf(err->message, sizeof(err->message), format, ap);
}

int err_set(struct err *err, enum err_kind kind, int errno_value, const char *format, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, format);
		vset(err, kind, format, ap);
		va_end(ap);
	}
	return -errno_value;
}

int err_errno(struct err *err, enum err_kind kind, int errno_value, const char *format, ...)
{
	va_list ap;
	size_t len;

	if (err) {
		va_start(ap, format);
		vset(err, kind, format, ap);
		va_end(ap);
		len = strlen(err->message);
		snprintf(err->message + len, sizeof(err->message) - len, ": %s",
			 strerror(errno_value));
	}
	return -errno_value;
}

void err_prefix(struct err *err, const char *format, ...)
{
	char tail[ERR_MESSAGE_MAX];
	va_list ap;
	size_t len;

	if (!err)
		return;
	memcpy(tail, err->message, sizeof(tail));
	va_start(ap, format);
	vsnprintf(err->message, sizeof(err->message), format, ap);
	va_end(ap);
	len = strlen(err->message);
	snprintf(err->message + len, sizeof(err->message) - len, "%s", tail);
}

int err_exit_status(enum err_kind kind)
{
	switch (kind) {
	case ERR_FAILED:
		return 1;
	case ERR_USAGE:
		return 2;
	case ERR_BUSY:
		return 3;
	case ERR_RETRY:
		return 4;
	case ERR_PERMANENT:
		return 5;
	case ERR_SYSTEM:
		return 6;
	}
	return 1;
}
