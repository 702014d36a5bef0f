/* SPDX-License-Identifier: MIT */
#include "cli/completion/completion.h"

/* Inside a specification of _arguments, brackets and colons have a meaning. */
static void print_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '[' || *text == ']' || *text == ':' || *text == '\\')
			fputc('\\', f);
		if (*text == '\'')
			fputs("'\\''", f);
		else
			fputc(*text, f);
	}
}

static void print_action(FILE *f, const struct option_def *def)
{
	if (def->choices) {
		fputc('(', f);
		for (size_t c = 0; def->choices[c]; c++)
			fprintf(f, "%s%s", c ? " " : "", def->choices[c]);
		fputc(')', f);
		return;
	}
	switch (def->hint) {
	case HINT_FILE:
		fputs("_files", f);
		break;
	case HINT_IMAGE:
		fputs("_nbd_attach_image", f);
		break;
	case HINT_INTERFACE:
		fputs("_nbd_attach_interfaces", f);
		break;
	case HINT_NONE:
		fputc(' ', f);
		break;
	}
}

/* One way to write the option: -N or --export. */
static void print_spec(FILE *f, const struct option_def *def, bool by_letter)
{
	static const char *const ends[][2] = {
	    [VALUE_NONE] = {"", ""},
	    [VALUE_REQUIRED] = {"=", "+"},
	    [VALUE_OPTIONAL] = {"=-", "-"},
	};

	if (def->repeats || def->set == option_set_verbose)
		fputc('*', f);
	else if (def->letter)
		fprintf(f, "(-%c --%s)", def->letter, def->name);
	if (by_letter)
		fprintf(f, "-%c", def->letter);
	else
		fprintf(f, "--%s", def->name);
	fputs(ends[def->value][by_letter], f);
	fputc('[', f);
	print_text(f, def->help);
	fputc(']', f);
	if (def->value == VALUE_NONE)
		return;
	fputs(def->value == VALUE_OPTIONAL ? "::" : ":", f);
	print_text(f, def->shown);
	fputc(':', f);
	print_action(f, def);
}

static void print_options(FILE *f, unsigned verb)
{
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];
		bool is_verb = def->group == GROUP_VERB;

		/* Another verb cannot follow the first one. */
		if (!def->hidden && def->verbs & 1U << verb && (!is_verb || verb == VERB_ATTACH))
			fprintf(f, " --%s", def->name);
	}
}

void completion_zsh(FILE *f)
{
	char words[64];

	fputs("\n_nbd_attach_table()\n{\n", f);
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];

		if (def->hidden)
			continue;
		if (def->letter && def->group == GROUP_VERB)
			fprintf(f, "\tverb_letters[%c]=%s\n", def->letter, def->name);
		fprintf(f, "\tspecs[--%s]='", def->name);
		print_spec(f, def, false);
		if (def->letter) {
			fputc('\n', f);
			print_spec(f, def, true);
		}
		fputs("'\n", f);
	}
	for (unsigned v = 0; v < OPTIONS_VERBS; v++) {
		if (!completion_has_more(v))
			continue;
		fprintf(f, "\toptions[%s]='", completion_verb(v));
		print_options(f, v);
		fprintf(f, "'\n\twords_after[%s]='%s'\n", completion_verb(v),
			completion_words(v, words, sizeof(words)));
	}
	fputs("\tnegations='", f);
	for (size_t i = 0; i < options_count; i++)
		if (options_table[i].in_file)
			fprintf(f, " --no-%s", options_table[i].name);
	fputs("'\n}\n", f);
}
