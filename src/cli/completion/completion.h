/* SPDX-License-Identifier: MIT */
/*
 * The completion scripts: for each shell a file of functions, which the build puts into the
 * program, and what the table of options says, printed in the shell's language.
 */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include <stdio.h>

#include "cli/table.h"

/* The table for nbd-attach.bash: a function that fills its caller's variables. */
void completion_bash(FILE *f);
/* The table for nbd-attach.zsh: likewise. */
void completion_zsh(FILE *f);
/* The table for nbd-attach.fish: a line for each option. */
void completion_fish(FILE *f);

/* False for verbs that end the command line. */
bool completion_has_more(unsigned verb);
/* The kinds of words that follow a verb, each after a blank: " devices", " host export". */
const char *completion_words(unsigned verb, char *buf, size_t size);
/* "detach"; "attach" for the verb without an option. */
const char *completion_verb(unsigned verb);
/* The text in single quotes; those in it are written as `quote`. */
void completion_quoted(FILE *f, const char *text, const char *quote);

#endif
