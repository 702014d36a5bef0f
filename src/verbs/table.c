/* SPDX-License-Identifier: MIT */
#include "verbs/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

static const char *const header[TABLE_COLUMNS] = {
    "DEVICE", "NAME", "STATE", "SIZE", "RO", "SERVER", "SINCE", "OUTAGES",
};

enum { DEVICE, NAME, STATE, SIZE, RO, SERVER, SINCE, OUTAGES };

char *table_size(uint64_t bytes, char *buf, size_t len)
{
	static const char *const unit[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
	uint64_t tenths = bytes / 100; /* of a kB */
	size_t i = 0;

	if (bytes < 1000) {
		snprintf(buf, len, "%" PRIu64 " B", bytes);
		return buf;
	}
	while (tenths >= 10000) {
		tenths /= 1000;
		i++;
	}
	snprintf(buf, len, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, unit[i]);
	return buf;
}

static char *since(const struct state *s)
{
	time_t seconds = (time_t)s->since;
	char text[32];
	struct tm tm;

	if (!s->since || !localtime_r(&seconds, &tm))
		return strdup("-");
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	return strdup(text);
}

static char *number(unsigned n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	return strdup(text);
}

void table_add(struct table *t, const struct state *s)
{
	void *more = realloc(t->row, (t->n + 1) * sizeof(*t->row));
	char text[64], **row;

	if (!more)
		return;
	t->row = more;
	row = t->row[t->n];
	snprintf(text, sizeof(text), "nbd%d", s->index);
	row[DEVICE] = strdup(text);
	row[NAME] = strdup(s->stable_name[0] ? s->stable_name : "-");
	snprintf(text, sizeof(text), "%s%s", s->name, s->stalled ? ",stalled" : "");
	row[STATE] = strdup(text);
	row[SIZE] = strdup(table_size(s->size, text, sizeof(text)));
	row[RO] = strdup(s->read_only ? "yes" : "no");
	row[SERVER] = strdup(s->address[0] ? s->address : "-");
	row[SINCE] = since(s);
	row[OUTAGES] = s->pid ? number(s->outages) : strdup("-");
	t->n++;
	for (int c = 0; c < TABLE_COLUMNS; c++)
		if (!row[c]) {
			for (int i = 0; i < TABLE_COLUMNS; i++)
				free(row[i]);
			t->n--;
			return;
		}
}

/* Sizes and counts end at the same column, words begin there. */
static bool is_right(int column)
{
	return column == SIZE || column == OUTAGES;
}

static void print_row(const char *const *cell, const size_t *width, FILE *out)
{
	for (int c = 0; c < TABLE_COLUMNS; c++) {
		int pad = (int)(width[c] - strlen(cell[c]));

		if (is_right(c))
			fprintf(out, "%*s%s", pad, "", cell[c]);
		else if (c == STATE)
			fprintf(out, "%s%s%s%*s", terminal_begin(out, state_look(cell[c])), cell[c],
				terminal_end(out, state_look(cell[c])), pad, "");
		else
			fprintf(out, "%s%*s", cell[c], pad, "");
		fputs(c + 1 < TABLE_COLUMNS ? "  " : "\n", out);
	}
}

void table_print(const struct table *t, FILE *out)
{
	size_t width[TABLE_COLUMNS];

	for (int c = 0; c < TABLE_COLUMNS; c++) {
		width[c] = strlen(header[c]);
		for (size_t i = 0; i < t->n; i++)
			if (strlen(t->row[i][c]) > width[c])
				width[c] = strlen(t->row[i][c]);
	}
	print_row(header, width, out);
	for (size_t i = 0; i < t->n; i++)
		print_row((const char *const *)t->row[i], width, out);
}

void table_done(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		for (int c = 0; c < TABLE_COLUMNS; c++)
			free(t->row[i][c]);
	free(t->row);
	*t = (struct table){.n = 0};
}
