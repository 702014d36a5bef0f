/* SPDX-License-Identifier: MIT */
/*
 * Recognises what users of other programs type: nbd-client's options, with one dash or two, and
 * verbs without dashes. The error message tells how nbd-attach spells it.
 */
#ifndef CLI_HABITS_H
#define CLI_HABITS_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/words.h"

/*
 * An option with its dashes, as it was typed. -EINVAL with an ERR_USAGE sentence if it is one of
 * nbd-client's, one that
 * has been replaced, or one of ours with a dash too few; 0 if it is neither. A word with one dash
 * counts only as a whole: -qv are two letters.
 */
int habits_option(const char *word, struct err *err);

/* The option that a misspelt name of len bytes seems to mean, for a configuration file (where
 * `target` and `device` are options as well) or for the command line; NULL if none is near. */
const char *habits_nearest(const char *name, size_t len, bool in_file);

/* The words of a command line without a verb: the same, if the first one is a verb. */
int habits_words(const struct words *words, struct err *err);

#endif
