/* SPDX-License-Identifier: MIT */
/* The devices as a table, one line for each. Nothing blocks beyond the stream. */
#ifndef VERBS_TABLE_H
#define VERBS_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "runtime/state.h"

#define TABLE_COLUMNS 8

struct table {
	char *(*row)[TABLE_COLUMNS];
	size_t n;
};

/* A device that does not fit into memory is left out. */
void table_add(struct table *t, const struct state *s);
void table_print(const struct table *t, FILE *out);
void table_done(struct table *t);

/* Sizes for people, as on the label of a disk: `500.1 GB`, `64.0 MB`, `512 B`. Returns buf. */
char *table_size(uint64_t bytes, char *buf, size_t len);

#endif
