/* SPDX-License-Identifier: MIT */
/*
 * Any text as a line of nbdtab(5), and the resulting configuration file. Invariants: a failure and
 * every note is a printable sentence; a line with an option of TLS never becomes a configuration
 * without TLS.
 */
#include <errno.h>

#include "cli/conf.h"
#include "cli/nbdtab.h"
#include "cli/table.h"
#include "fuzz.h"

static void note(const char *sentence, void *arg)
{
	(void)arg;
	require(fuzz_text_printable(sentence, 4096));
}

/* Decided from the text alone, independently of the program. */
static bool wants_tls(const char *line)
{
	static const char *const words[] = {"tls", "cacertfile", "certfile", "keyfile",
					    "tlshostname"};
	size_t fields = 0, len;
	const char *p = line;

	for (; *p; p += len) {
		p += strspn(p, " \t\r");
		len = strcspn(p, " \t\r");
		if (!len || *p == '#')
			return false;
		if (++fields == 4)
			break;
	}
	while (*p && !strchr(" \t\r", *p)) {
		len = strcspn(p, ",= \t\r");
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (strlen(words[i]) == len && strncmp(p, words[i], len) == 0)
				return true;
		p += strcspn(p, ", \t\r");
		p += *p == ',';
	}
	return false;
}

static bool has_tls(const struct config *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->entry[i].def->name, "tls") == 0)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = 0;
	char *line, *kept, *text = NULL;
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	struct nbdtab tab = {.note = note};
	struct config config;
	struct err err;
	FILE *out;
	int ret;

	line = fuzz_string(data, newline ? (size_t)(newline - data) : size);
	kept = strdup(line);
	out = open_memstream(&text, &len);
	require(kept && out);
	ret = nbdtab_convert(&tab, line, out, &err);
	fclose(out);
	require(ret == 0 || ret == -EINVAL);
	if (ret < 0) {
		require(err.kind == ERR_FAILED);
		require(fuzz_text_printable(err.message, sizeof(err.message)));
	} else if (tab.index >= 0 && config_parse("/etc/nbd-attach/x.conf", text, len, &config,
						  NULL, NULL, &err) == 0) {
		require(!wants_tls(kept) || has_tls(&config));
		config_done(&config);
	}
	free(text);
	free(kept);
	free(line);
	return 0;
}
