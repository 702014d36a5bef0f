/* SPDX-License-Identifier: MIT */
#include "cli/completion/completion.h"

#include "base/text.h"

bool completion_has_more(unsigned verb)
{
	return verb != VERB_HELP && verb != VERB_VERSION && verb != VERB_COMPLETION &&
	       verb != VERB_KEEP;
}

const char *completion_words(unsigned verb, char *buf, size_t size)
{
	const struct verb_def *def = &options_verbs[verb];
	struct text t;

	text_init(&t, buf, size);
	if (def->takes_file)
		text_str(&t, " file");
	if (def->takes_device)
		text_str(&t, def->several ? " devices" : " device");
	if (def->takes_server)
		text_str(&t, " host");
	if (def->takes_export)
		text_str(&t, " export");
	return buf;
}

const char *completion_verb(unsigned verb)
{
	return options_verbs[verb].option ? options_verbs[verb].option + 2 : "attach";
}

void completion_quoted(FILE *f, const char *text, const char *quote)
{
	fputc('\'', f);
	for (; *text; text++)
		if (*text == '\'')
			fputs(quote, f);
		else
			fputc(*text, f);
	fputc('\'', f);
}
