/* SPDX-License-Identifier: MIT */
/*
 * nbd-client's nbdtab(5), line by line, into the text of a configuration file. An option that
 * cannot be converted is named, or the line is refused: a line that asks for TLS never becomes one
 * without TLS. Nothing here opens a file or blocks.
 */
#ifndef CLI_NBDTAB_H
#define CLI_NBDTAB_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

/* Called for an option that has no line of its own in the result, with the reason. */
typedef void nbdtab_note_fn(const char *sentence, void *arg);

struct nbdtab {
	int index;	      /* of /dev/nbdN, even if the line is refused; -1: the line is empty, a
				 comment, or names no device */
	bool key_is_cert;     /* the text has the key's file for the certificate, too */
	unsigned lost;	      /* options left out that meant something, if only to a person */
	bool impatient;	      /* the dead-timeout is what `timeout` said */
	bool persist;	      /* nbd-client would connect again: nbd-attach always does */
	nbdtab_note_fn *note; /* the caller's; also written into the text as comments */
	void *arg;
};

/*
 * Converts a line without its newline, which is taken apart in place. 0 with *tab filled and the
 * text written to `out`; or -EINVAL with *err (ERR_FAILED), and tab->index is the only result.
 */
int nbdtab_convert(struct nbdtab *tab, char *line, FILE *out, struct err *err);

#endif
