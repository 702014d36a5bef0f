/* SPDX-License-Identifier: MIT */
/* The meaning of the positional arguments for each verb. Nothing blocks. */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <stddef.h>

#include "cli/options.h"

/* Devices of one call; every other verb accepts fewer words. */
#define OPTIONS_WORDS_MAX 256

/* Appends this to a sentence about the command line as a whole. */
#define TRY_HELP "; try nbd-attach --help"

struct words {
	size_t n; /* may exceed OPTIONS_WORDS_MAX: the rest was not kept */
	const char *word[OPTIONS_WORDS_MAX]; /* borrowed */
};

/*
 * Fills device, index and endpoint of *o, whose other fields are set. Returns 0, or -errno with
 * *err; *o then remains fit for options_done().
 */
int words_apply(struct options *o, const struct words *words, struct err *err);

#endif
