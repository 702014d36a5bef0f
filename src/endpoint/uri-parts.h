/* SPDX-License-Identifier: MIT */
/*
 * The checks that the URI, the positional form and the options share. All of them return 0, or
 * -EINVAL with an ERR_USAGE sentence (-ENOMEM with ERR_FAILED); a part that passes is stored in
 * *e as an owned copy. Nothing blocks.
 */
#ifndef ENDPOINT_URI_PARTS_H
#define ENDPOINT_URI_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "endpoint/endpoint.h"

/* Foreign text, escaped, in double quotes and cut to one readable piece, for use in a call:
 * `"...%s", quoted(s, len).text`. */
struct quoted {
	char text[272];
};
struct quoted quoted(const void *bytes, size_t len);
struct quoted quoted_str(const char *s);

/* `return part_bad(err, "...")` : ERR_USAGE and -EINVAL. */
#define part_bad(err, ...) err_set(err, ERR_USAGE, EINVAL, __VA_ARGS__)
int part_no_memory(struct err *err);

/* A copy of len bytes with a NUL behind them, or NULL. */
char *part_copy(const char *bytes, size_t len);

/* Part of a URI, percent-decoded: len bytes, NUL among them where %00 was written, and one NUL
 * behind them. */
struct bytes {
	char *p;
	size_t len;
};

static inline void bytes_done(struct bytes *b)
{
	free(b->p);
}

#define _cleanup_bytes_ _cleanup_(bytes_done)

/* s: len bytes, whose percent signs are known to lead two hexadecimal digits. */
int part_decode(const char *s, size_t len, struct bytes *ret_bytes, struct err *err);

/* Decimal digits only, no sign, no blank. -EINVAL: other characters; -ERANGE: outside min..max.
 * No message. */
int part_number(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *ret_number);

/* True for UTF-8 without NUL and control characters. */
bool part_printable(const char *s, size_t len);

/* A TCP host: name or IPv4 literal; as an IPv6 literal with or without a %scope. */
int part_host(struct endpoint *e, const char *s, size_t len, struct err *err);
int part_ipv6(struct endpoint *e, const char *s, size_t len, struct err *err);
int part_port(struct endpoint *e, const char *s, size_t len, struct err *err);

/* A host name as a certificate may hold it: no literal is looked for. */
bool part_is_name(const char *s, size_t len);

/* That, or an IP address, which a certificate may hold as well. s ends with a NUL. */
bool part_is_certified(const char *s, size_t len);

/* len bytes with a leading NUL for an abstract name. */
int part_socket(struct endpoint *e, const char *s, size_t len, struct err *err);
int part_export(struct endpoint *e, const char *s, size_t len, struct err *err);

#endif
