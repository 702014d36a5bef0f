/* SPDX-License-Identifier: MIT */
#include "base/redact.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int redact_add(struct redact *r, const char *kind, const char *name)
{
	unsigned number = 1;
	size_t len = strlen(kind);

	if (!name[0])
		return 0;
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->item[i].name, name) == 0)
			return 0;
		/* "<host 1>" is of the kind "host". */
		number +=
		    strncmp(r->item[i].mark + 1, kind, len) == 0 && r->item[i].mark[1 + len] == ' ';
	}
	if (r->n == REDACT_MAX)
		return -ENOMEM;
	r->item[r->n].name = strdup(name);
	if (!r->item[r->n].name)
		return -ENOMEM;
	snprintf(r->item[r->n].mark, sizeof(r->item[0].mark), "<%.12s %u>", kind, number);
	r->n++;
	return 0;
}

/* A name of one letter is not to spoil every word that has it. */
static bool ends_inside_word(const char *before, const char *at, size_t len)
{
	return (before < at && isalnum((unsigned char)at[-1]) && isalnum((unsigned char)at[0])) ||
	       (isalnum((unsigned char)at[len - 1]) && isalnum((unsigned char)at[len]));
}

void redact_print(const struct redact *r, const char *text, FILE *out)
{
	for (const char *p = text; *p;) {
		const char *mark = NULL;
		size_t longest = 0;

		for (size_t i = 0; i < r->n; i++) {
			size_t len = strlen(r->item[i].name);

			if (len <= longest || strncmp(p, r->item[i].name, len) != 0 ||
			    ends_inside_word(text, p, len))
				continue;
			longest = len;
			mark = r->item[i].mark;
		}
		if (mark)
			fputs(mark, out);
		else
			fputc(*p, out);
		p += mark ? longest : 1;
	}
}

void redact_done(struct redact *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->item[i].name);
	r->n = 0;
}
