/* SPDX-License-Identifier: MIT */
#include "cli/merge.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/device.h"
#include "cli/server-captive.h"
#include "cli/name.h"
#include "cli/table.h"
#include "endpoint/uri-parts.h"

/* The command line, as far as a file is concerned. */
struct situation {
	const char *word; /* DEVICE or NAME; NULL: none, the file decides */
	bool is_name;	  /* `word` is not a device, so a file is needed */
	bool has_server;  /* a word or --unix: the file's is not looked at */
};

static bool is_device(const char *s)
{
	int index;

	return device_parse(s, "", &index, NULL) == 0;
}

static struct situation look(const struct options *o, const struct words *words)
{
	struct situation s = {.has_server = words->n > 1 || o->unix_path || captive_wanted(o)};

	if (words->n)
		s.word = words->word[0];
	s.is_name = s.word && config_is_name(s.word, strlen(s.word));
	return s;
}

/* Returns false if the command line is complete, or wrong in any case. */
static bool needs_file(const struct options *o, const struct words *words,
		       const struct situation *s)
{
	if (o->verb != VERB_ATTACH)
		return false;
	if (o->config_file)
		return true;
	if (words->n != 1)
		return false;
	return s->is_name || (!s->has_server && is_device(s->word));
}

/* A file that was read for another device than its own (`--config FILE nbd1`) names nothing. */
static int store_name(struct options *o, const char *name, size_t len, struct err *err)
{
	bool stable = config_is_name(name, len);

	o->config_name = part_copy(name, len);
	if (!o->config_name)
		return part_no_memory(err);
	if (!stable && !is_device(o->config_name))
		free(TAKE_PTR(o->config_name));
	if (o->name || !stable)
		return 0;
	o->name = part_copy(name, len);
	return o->name ? 0 : part_no_memory(err);
}

/* The options that say where the server is. */
static bool is_address(const struct option_def *def)
{
	static const char *const names[] = {
	    "unix", "port", "export", "image", "command", "user", "failover", "failback", "fence",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(def->name, names[i]) == 0)
			return true;
	return false;
}

static bool is_overridden(const struct option_def *def, const struct option_bits *given,
			  bool has_server)
{
	struct option_bits with = *given;
	const struct option_pair *pair;

	option_bit_set(&with, def);
	pair = options_conflict(&with);

	return option_bit_is_set(given, def) || (pair && pair->overrides) ||
	       (has_server && is_address(def));
}

static int apply_entries(struct options *o, struct option_bits *given, bool has_server,
			 const struct config *config, struct err *err)
{
	const struct option_bits typed = *given;

	for (size_t i = 0; i < config->n; i++) {
		const struct config_entry *e = &config->entry[i];
		int r;

		if (is_overridden(e->def, &typed, has_server))
			continue;
		r = e->def->set(o, e->def, e->value, err);
		if (r < 0)
			return r;
		option_bit_set(given, e->def);
	}
	return 0;
}

/* The words as they would have been typed without a file. */
static void complete_words(const struct options *o, struct words *words, const struct situation *s,
			   const struct config *config)
{
	if (!s->word || s->is_name) {
		words->word[0] = config->device ? config->device : "auto";
		words->n = words->n ? words->n : 1;
	}
	/* `--config .../nbd3.conf` alone */
	if (!s->word && !config->device && o->config_name && is_device(o->config_name))
		words->word[0] = o->config_name;
	if (!s->has_server && config->target && !o->captive) {
		words->word[1] = config->target;
		words->n = 2;
	}
}

/* -ENOENT of the file that the DEVICE or NAME stands for. */
static int explain_no_file(const struct situation *s, const char *path, struct err *err)
{
	if (s->is_name)
		return part_bad(err,
				"%s is neither an NBD device nor a configuration (%s does not "
				"exist); try nbd-attach --help",
				s->word, path);
	return part_bad(err,
			"the server of %s, a HOST or a URI, is missing, and there is no "
			"configuration %s; try nbd-attach --help",
			s->word, path);
}

int options_configure(struct options *o, struct option_bits *given, struct words *words,
		      struct config *config, struct err *err)
{
	struct situation s = look(o, words);
	const char *word = s.word, *path = o->config_file;
	char built[sizeof(CONFIG_DIR) + NAME_MAX + 8];
	size_t len;
	int r;

	if (!needs_file(o, words, &s))
		return 0;
	if (word && strncmp(word, "/dev/", 5) == 0)
		word += 5;
	if (!path) {
		config_path(word, built, sizeof(built));
		path = built;
	}
	r = config_read(path, config, NULL, NULL, err);
	if (r == -ENOENT && !o->config_file)
		return explain_no_file(&s, path, err);
	if (r == 0)
		r = apply_entries(o, given, s.has_server, config, err);
	if (r == 0 && !s.has_server && config->target && captive_is_line(config->target))
		r = captive_from_line(o, config->target, err);
	if (r < 0)
		return r;
	if (!s.has_server && !config->target && !o->unix_path && !o->image)
		return config_no_server(path, err);
	if (!word)
		word = config_name_of(path, &len);
	else
		len = strlen(word);
	if (!o->config_file || !s.word || s.is_name)
		r = store_name(o, word, len, err);
	if (r == 0)
		complete_words(o, words, &s, config);
	return r;
}
