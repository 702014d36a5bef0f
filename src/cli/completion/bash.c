/* SPDX-License-Identifier: MIT */
#include "cli/completion/completion.h"

static const char *kind(const struct option_def *def)
{
	if (def->value == VALUE_OPTIONAL)
		return "optional";
	if (def->choices)
		return "choice";
	switch (def->hint) {
	case HINT_FILE:
		return "file";
	case HINT_IMAGE:
		return "image";
	case HINT_INTERFACE:
		return "interface";
	case HINT_NONE:
		break;
	}
	return "text";
}

/* By option: the kind of its value, the values to choose from; by letter: the option. */
static void print_values(FILE *f)
{
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];

		if (def->hidden)
			continue;
		if (def->letter)
			fprintf(f, "\tlong[%c]=--%s\n", def->letter, def->name);
		if (def->value != VALUE_NONE)
			fprintf(f, "\tvalue[--%s]=%s\n", def->name, kind(def));
		if (!def->choices)
			continue;
		fprintf(f, "\tchoices[--%s]='", def->name);
		for (size_t c = 0; def->choices[c]; c++)
			fprintf(f, " %s", def->choices[c]);
		fputs("'\n", f);
	}
}

static void print_names(FILE *f, bool verbs, unsigned mask)
{
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];

		if (!def->hidden && (def->group == GROUP_VERB) == verbs && def->verbs & mask)
			fprintf(f, " --%s", def->name);
	}
}

/* The verbs; for each, its options and the kinds of words that follow. */
static void print_verbs(FILE *f)
{
	fputs("\tverbs='", f);
	print_names(f, true, ~0U);
	fputs(" '\n\tnegations='", f);
	for (size_t i = 0; i < options_count; i++)
		if (options_table[i].in_file)
			fprintf(f, " --no-%s", options_table[i].name);
	fputs(" '\n", f);
	for (unsigned v = 0; v < OPTIONS_VERBS; v++) {
		const char *name = options_verbs[v].option ? options_verbs[v].option : "attach";
		char words[64];

		if (!completion_has_more(v))
			continue;
		fprintf(f, "\toptions[%s]='", name);
		print_names(f, false, 1U << v);
		fprintf(f, " '\n\twords[%s]='%s'\n", name,
			completion_words(v, words, sizeof(words)));
	}
}

void completion_bash(FILE *f)
{
	fputs("\n_nbd_attach_table()\n{\n", f);
	print_values(f);
	print_verbs(f);
	fputs("}\n", f);
}
