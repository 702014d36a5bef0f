/* SPDX-License-Identifier: MIT */
#include "cli/table.h"

#include <string.h>

#include "base/text.h"

#define COLUMNS	    79 /* a terminal of 80 wraps at its last one */
#define HELP_COLUMN 29

/* "  -N, --export NAME"; returns its length. */
static size_t left_side(const struct option_def *def, char *buf, size_t size)
{
	char letter[] = {'-', def->letter, ',', ' ', '\0'};
	struct text t;

	text_init(&t, buf, size);
	text_str(&t, "  ");
	text_str(&t, def->letter ? letter : "    ");
	text_str(&t, "--");
	text_str(&t, def->name);
	if (def->value == VALUE_OPTIONAL) {
		text_str(&t, "[=");
		text_str(&t, def->shown);
		text_str(&t, "]");
	} else if (def->shown) {
		text_str(&t, " ");
		text_str(&t, def->shown);
	}
	return t.len;
}

static void print_wrapped(FILE *f, const char *s, size_t column)
{
	while (*s) {
		size_t room = COLUMNS - HELP_COLUMN;
		size_t len = strlen(s);

		if (len > room) {
			len = room;
			while (s[len] != ' ')
				len--;
		}
		fprintf(f, "%*s%.*s\n", (int)(HELP_COLUMN - column), "", (int)len, s);
		s += len + (s[len] == ' ');
		column = 0;
	}
}

static void print_option(FILE *f, const struct option_def *def)
{
	char left[COLUMNS + 1];
	size_t len = left_side(def, left, sizeof(left));

	fputs(left, f);
	if (len + 2 > HELP_COLUMN) {
		fputc('\n', f);
		len = 0;
	}
	print_wrapped(f, def->help, len);
}

static void print_group(FILE *f, unsigned group, bool all)
{
	fprintf(f, "\n%s:\n", options_groups[group]);
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];

		if (def->group == group && !def->hidden && (all || def->common))
			print_option(f, def);
	}
}

void options_help(FILE *f, bool all)
{
	fputs("Usage: nbd-attach [OPTION]... DEVICE HOST [EXPORT]\n"
	      "       nbd-attach [OPTION]... DEVICE URI\n"
	      "       nbd-attach [OPTION]... --unix PATH DEVICE [EXPORT]\n"
	      "       nbd-attach [OPTION]... [--config FILE] DEVICE|NAME\n"
	      "       nbd-attach [OPTION]... DEVICE [EXPORT] -- [ COMMAND... ]\n"
	      "       nbd-attach --detach|--check|--status|--list|--info ...\n"
	      "\n"
	      "Attach an NBD export to a block device and keep it connected.\n"
	      "\n"
	      "  DEVICE   /dev/nbd0, nbd0, or auto: choose a free device and print its name\n"
	      "  NAME     read everything from /etc/nbd-attach/NAME.conf (for a DEVICE:\n"
	      "           from nbd0.conf); until it is detached, NAME works in place of DEVICE\n"
	      "  HOST     a host name or address, with an optional :PORT; IPv6: [ADDRESS]:PORT\n"
	      "  URI      nbd://HOST/EXPORT, nbd+unix:///EXPORT?socket=PATH,\n"
	      "           nbd+vsock://CID/EXPORT; for TLS nbds://, nbds+unix://, nbds+vsock://\n"
	      "  COMMAND  a server to start, by socket activation; each bracket is an argument\n"
	      "  EXPORT   the name of the export; the default is the empty name\n",
	      f);
	for (unsigned g = 0; g < OPTION_GROUPS; g++)
		print_group(f, g, all);
	fputs(
	    all ? "\n"
		  "SECONDS may end with ms, s, m or h, and BYTES with K, M or G (powers of 1024).\n"
		  "--no-OPTION takes back an option that a configuration file sets.\n"
		  "With --unix PATH, --list and --info take no HOST.\n"
		: "\n"
		  "nbd-attach --help all shows every option.\n",
	    f);
	fputs("\n"
	      "Exit status: 0 success, 1 failure, 2 wrong usage, 3 the device is in use,\n"
	      "4 the server cannot be reached, 5 the server refuses, 6 this system does not\n"
	      "support it.\n"
	      "See nbd-attach(8) for details and examples.\n",
	      f);
}
