/* SPDX-License-Identifier: MIT */
/*
 * A server that --info and --list start for themselves: an image or a COMMAND is asked without
 * attaching anything, and so without privilege. It runs as the caller, is reached by a socket in a
 * private directory, and ends with the verb.
 */
#ifndef VERBS_PASSING_H
#define VERBS_PASSING_H

#include "cli/options.h"

/*
 * Runs a verb with a server if the options ask for one, and else without. *o is given to `verb`
 * with the server's address. The exit status.
 */
int passing_run(const struct options *o, int (*verb)(const struct options *o));

/* The name of the server's program, or `address` if none was started. */
const char *passing_server(const char *address);

/* An attempt has succeeded. */
void passing_answered(void);

/*
 * An attempt has failed: if the server has ended, *err says that instead. That is PERMANENT if it
 * never answered and refused to start: a wrong image or a wrong command is not worth another
 * attempt.
 */
void passing_explain(struct err *err);

#endif
