/* SPDX-License-Identifier: MIT */
#include "base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool terminal_is(int fd)
{
	const char *term = getenv("TERM");

	return term && term[0] && strcmp(term, "dumb") != 0 && isatty(fd);
}

static bool is_plain(FILE *out)
{
	const char *no_color = getenv("NO_COLOR");

	return (no_color && no_color[0]) || fileno(out) < 0 || !terminal_is(fileno(out));
}

const char *terminal_begin(FILE *out, enum terminal_look look)
{
	static const char *const codes[] = {
	    [TERMINAL_PLAIN] = "",	   [TERMINAL_BOLD] = "\033[1m",
	    [TERMINAL_GOOD] = "\033[32m",  [TERMINAL_WARNING] = "\033[33m",
	    [TERMINAL_BAD] = "\033[1;31m",
	};

	return is_plain(out) ? "" : codes[look];
}

const char *terminal_end(FILE *out, enum terminal_look look)
{
	return look == TERMINAL_PLAIN || is_plain(out) ? "" : "\033[0m";
}
