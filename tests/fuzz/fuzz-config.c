/* SPDX-License-Identifier: MIT */
/*
 * Any text as a configuration file. Invariants: a failure is one or more printable sentences, each
 * after the file's name, and has the kind of a configuration error; an accepted file has sound
 * entries, and parsing it again gives the same.
 */
#include <errno.h>

#include "cli/conf.h"
#include "cli/table.h"
#include "fuzz.h"

#define PATH		"/etc/nbd-attach/nbd3.conf"
#define CONFIG_TEXT_MAX 65536 /* bytes; the limit of a file */

static void told(const struct err *err, void *arg)
{
	unsigned *n = arg;

	require(err->kind == ERR_USAGE);
	require(strncmp(err->message, PATH ":", strlen(PATH) + 1) == 0);
	require(fuzz_text_printable(err->message, sizeof(err->message)));
	++*n;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void check(const struct config *c, const struct config *again)
{
	require(c->n <= CONFIG_ENTRIES_MAX && c->n == again->n);
	require(same(c->target, again->target) && same(c->device, again->device));
	require(!c->target || (c->target_line && fuzz_text_printable(c->target, CONFIG_TEXT_MAX)));
	for (size_t i = 0; i < c->n; i++) {
		const struct config_entry *e = &c->entry[i];

		require(e->def && e->def->in_file && e->line);
		require(e->def == again->entry[i].def && same(e->value, again->entry[i].value));
		require(!e->value || fuzz_text_printable(e->value, CONFIG_TEXT_MAX));
		require(e->value || e->def->value != VALUE_REQUIRED);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct config config, again;
	struct err err = {.kind = ERR_FAILED};
	unsigned n = 0;
	int ret = config_parse(PATH, text, size, &config, told, &n, &err);

	require(ret == 0 || ret == -EINVAL);
	require((ret < 0) == (n > 0));
	if (ret == 0) {
		require(config_parse(PATH, text, size, &again, NULL, NULL, &err) == 0);
		check(&config, &again);
		config_done(&again);
		config_done(&config);
	} else {
		require(err.kind == ERR_USAGE);
	}
	free(text);
	return 0;
}
