/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON (RFC 8259) to a stream, one value at a time; it adds commas and indentation itself.
 * Strings must be valid UTF-8; other bytes come out as U+FFFD. Does not block beyond the stream.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	int depth;
	bool first; /* nothing written yet at this depth */
	bool line;  /* set after json_init(): everything on one line */
};

void json_init(struct json *j, FILE *out);
void json_finish(struct json *j); /* the last line's end */

/* `key` is NULL inside an array and at the top. */
void json_object(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_array(struct json *j, const char *key);
void json_end_array(struct json *j);
/* value: NULL is null. */
void json_string(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);

#endif
