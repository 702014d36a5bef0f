/* SPDX-License-Identifier: MIT */
/* What a terminal shows and a file or a pipe must not have. */
#ifndef BASE_TERMINAL_H
#define BASE_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

enum terminal_look { TERMINAL_PLAIN, TERMINAL_BOLD, TERMINAL_GOOD, TERMINAL_WARNING, TERMINAL_BAD };

/* True if the descriptor is a terminal that understands escape sequences. */
bool terminal_is(int fd);

/*
 * What begins and ends text in this look; "" if the stream is not such a terminal, or if NO_COLOR
 * is set (no-color.org).
 */
const char *terminal_begin(FILE *out, enum terminal_look look);
const char *terminal_end(FILE *out, enum terminal_look look);

#endif
