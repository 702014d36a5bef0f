/* SPDX-License-Identifier: MIT */
/* Shared by runtime/state.c, which has the file, and runtime/state-show.c, which shows it. */
#ifndef RUNTIME_STATE_PRIVATE_H
#define RUNTIME_STATE_PRIVATE_H

#include <stddef.h>

#include "runtime/state.h"

enum state_type { FIELD_TEXT, FIELD_INT, FIELD_I64, FIELD_U32, FIELD_U64, FIELD_BOOL };

/* When JSON says null, because the value is not known or there is none. An empty text always is. */
enum state_null { NULL_NEVER, NULL_ZERO, NULL_NEGATIVE };

/* One row per key: the file, its parser, the text and the JSON all use this table. */
struct state_field {
	const char *key;
	const char *json;  /* NULL: state_json() has another form of it */
	const char *label; /* of the text; NULL: state_print() has its own line, or none */
	enum state_type type;
	size_t offset, size;
	enum state_null null;
	bool supervised; /* known only of a device that has a supervisor */
};

extern const struct state_field state_fields[];
extern const size_t state_fields_count;

static inline const void *state_at(const struct state *s, const struct state_field *f)
{
	return (const char *)s + f->offset;
}

/* The value as it is in the file. */
void state_value_text(const struct state *s, const struct state_field *f, char *buf, size_t size);

#endif
