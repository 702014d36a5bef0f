/* SPDX-License-Identifier: MIT */
#include "cli/completion/completion.h"

#define QUOTE "\\'"

static void print_value(FILE *f, const struct option_def *def)
{
	if (def->value != VALUE_REQUIRED)
		return; /* a value that may be left out follows an equals sign, which fish cannot
			   offer */
	if (def->choices) {
		fputs(" -x -a '", f);
		for (size_t c = 0; def->choices[c]; c++)
			fprintf(f, "%s%s", c ? " " : "", def->choices[c]);
		fputc('\'', f);
		return;
	}
	switch (def->hint) {
	case HINT_FILE:
		fputs(" -r -F", f);
		break;
	case HINT_IMAGE:
		fputs(" -r -F -a 'qcow2: raw:'", f);
		break;
	case HINT_INTERFACE:
		fputs(" -x -a '(__nbd_attach_interfaces)'", f);
		break;
	case HINT_NONE:
		fputs(" -x", f);
		break;
	}
}

static void print_option(FILE *f, const struct option_def *def)
{
	fprintf(f, "complete -c nbd-attach -n '__nbd_attach_is");
	for (unsigned v = 0; v < OPTIONS_VERBS; v++)
		/* Another verb cannot follow the first one. */
		if (completion_has_more(v) && def->verbs & 1U << v &&
		    (def->group != GROUP_VERB || v == VERB_ATTACH))
			fprintf(f, " %s", completion_verb(v));
	fprintf(f, "' -l %s", def->name);
	if (def->letter)
		fprintf(f, " -s %c", def->letter);
	print_value(f, def);
	fputs(" -d ", f);
	completion_quoted(f, def->help, QUOTE);
	fputc('\n', f);
}

static void print_negation(FILE *f, const struct option_def *def)
{
	fprintf(f, "complete -c nbd-attach -n __nbd_attach_takes_back -l no-%s -d ", def->name);
	fprintf(f, "'take back what the files say of --%s'\n", def->name);
}

/* The lists that the functions need: verbs, options that need a value, letters. */
static void print_lists(FILE *f)
{
	char words[64];

	fputs("\nset -g __nbd_attach_verbs", f);
	for (unsigned v = 0; v < OPTIONS_VERBS; v++)
		if (options_verbs[v].option && completion_has_more(v))
			fprintf(f, " %s", options_verbs[v].option);
	fputs("\nset -g __nbd_attach_valued", f);
	for (size_t i = 0; i < options_count; i++)
		if (!options_table[i].hidden && options_table[i].value == VALUE_REQUIRED)
			fprintf(f, " --%s", options_table[i].name);
	fputs("\nset -g __nbd_attach_letters", f);
	for (size_t i = 0; i < options_count; i++)
		if (!options_table[i].hidden && options_table[i].letter)
			fprintf(f, " %c=--%s", options_table[i].letter, options_table[i].name);
	fputs("\nset -g __nbd_attach_kinds", f);
	for (unsigned v = 0; v < OPTIONS_VERBS; v++)
		if (completion_has_more(v))
			fprintf(f, " '%s=%s'", completion_verb(v),
				completion_words(v, words, sizeof(words)));
	fputc('\n', f);
}

void completion_fish(FILE *f)
{
	print_lists(f);
	for (size_t i = 0; i < options_count; i++)
		if (!options_table[i].hidden)
			print_option(f, &options_table[i]);
	for (size_t i = 0; i < options_count; i++)
		if (options_table[i].in_file)
			print_negation(f, &options_table[i]);
}
