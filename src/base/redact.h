/* SPDX-License-Identifier: MIT */
/*
 * Replaces names that a bug report need not tell: the same name gets the same mark everywhere, so
 * that a reader can follow it. Pure.
 */
#ifndef BASE_REDACT_H
#define BASE_REDACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define REDACT_MAX 128 /* names and forms; further ones are not replaced, see redact_add() */

struct redact {
	struct {
		char *name;
		char mark[24]; /* "<address 2>" */
		bool form;     /* of a name that was added before */
	} item[REDACT_MAX];
	size_t n;
};

/*
 * From now on this name becomes "<KIND NUMBER>", the number counted for each kind. "" and a name
 * that is known already: nothing. 0, or -ENOMEM: no memory, or too many names.
 */
int redact_add(struct redact *r, const char *kind, const char *name);

/* The same for another form of a name that was added, such as an encoded one: it gets the same
 * mark. */
int redact_add_form(struct redact *r, const char *name, const char *form);

/*
 * Prints the text. Of two names that begin at one place, the longer one is replaced, and also the
 * beginning of a long one that was cut off: "..." or the end of the text follows. Error messages
 * also contain names that were not added. An absolute path becomes "<path>", an IP address
 * "<address>", and the name in `NAME:PORT` "<host>".
 */
void redact_print(const struct redact *r, const char *text, FILE *out);

void redact_done(struct redact *r);

#endif
