/* SPDX-License-Identifier: MIT */
#include "cli/merge.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/device.h"
#include "cli/defaults.h"
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

static bool is_one_of(const struct option_def *def, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(def->name, names[i]) == 0)
			return true;
	return false;
}

/* The options that say where the server is: another one on the command line replaces them. */
static bool is_address(const struct option_def *def)
{
	static const char *const names[] = {"unix", "port", "export", "image", "command", "user"};

	return is_one_of(def, names, ARRAY_SIZE(names));
}

/*
 * Options that hold for only one server. The identifier prevents two attachments from writing to
 * one export, and the other servers have the same content: neither may be used for another server,
 * or be dropped silently.
 */
static bool belongs_to_server(const struct option_def *def)
{
	static const char *const names[] = {"identifier", "failover", "failback", "fence"};

	return is_one_of(def, names, ARRAY_SIZE(names));
}

static int refuse_for_other_server(const struct config *config, const struct config_entry *e,
				   struct err *err)
{
	return part_bad(err,
			"%s:%u: %s belongs to the server of this file, but the command line names "
			"another server or export: give --%s for that one, or --no-%s",
			config->path, e->line, e->def->name, e->def->name, e->def->name);
}

struct merge {
	struct options *o;
	struct option_bits *given, *off;
	struct option_bits typed; /* the options of the command line */
	bool has_server;	  /* it names a server */
	bool other;		  /* ... or it names another export or port */
};

/* The one on the command line wins over one that contradicts it. */
static bool is_overridden(const struct merge *m, const struct option_def *def)
{
	struct option_bits with = m->typed;
	const struct option_pair *pair;

	option_bit_set(&with, def);
	pair = options_conflict(&with);
	return option_bit_is_set(&m->typed, def) || (pair && pair->overrides) ||
	       (m->has_server && is_address(def));
}

/*
 * Files are applied in the order of precedence: what an earlier one says, or takes back, stays. Two
 * files that contradict each other are found by the caller of options_configure().
 */
static int apply_entries(struct merge *m, const struct config *config, struct err *err)
{
	const struct option_bits before = *m->given;

	for (size_t i = 0; i < config->n; i++) {
		const struct config_entry *e = &config->entry[i];
		int r;

		if (is_overridden(m, e->def) || option_bit_is_set(&before, e->def) ||
		    option_bit_is_set(m->off, e->def))
			continue;
		if (m->other && belongs_to_server(e->def))
			return refuse_for_other_server(config, e, err);
		r = e->def->set(m->o, e->def, e->value, err);
		if (r == 0)
			r = options_note(m->o, e->def, e->value, config->path, e->line, err);
		if (r < 0)
			return r;
		option_bit_set(m->given, e->def);
	}
	for (size_t i = 0; i < ARRAY_SIZE(m->off->word); i++)
		m->off->word[i] |= config->off.word[i];
	return 0;
}

int config_each_drop_in(const char *path, int (*fn)(const char *file, void *arg, struct err *err),
			void *arg, struct err *err)
{
	char directory[PATH_MAX], file[PATH_MAX + NAME_MAX + 2];
	struct dirent **part;
	int n, r = 0;

	snprintf(directory, sizeof(directory), "%s.d", path);
	n = scandir(directory, &part, config_is_file, alphasort);
	if (n < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_errno(err, ERR_USAGE, errno, "cannot read %s", directory);
	for (int i = n - 1; i >= 0; i--) {
		snprintf(file, sizeof(file), "%s/%s", directory, part[i]->d_name);
		if (r == 0)
			r = fn(file, arg, err);
		free(part[i]);
	}
	if (n >= 0)
		free(part);
	return r;
}

static int apply_drop_in(const char *file, void *arg, struct err *err)
{
	struct config config;
	int r = config_read_part(file, &config, NULL, NULL, err);

	if (r < 0)
		return r;
	r = apply_entries(arg, &config, err);
	config_done(&config);
	return r;
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

/* The files of path, into *config and *m. */
static int read_files(struct merge *m, const char *path, const struct situation *s,
		      struct config *config, struct err *err)
{
	int r = config_read_first(path, config, NULL, NULL, err);

	if (r == -ENOENT && !m->o->config_file)
		return explain_no_file(s, path, err);
	/* The last name first, because it takes precedence. */
	if (r == 0)
		r = config_each_drop_in(path, apply_drop_in, m, err);
	if (r == 0)
		r = apply_entries(m, config, err);
	if (r == 0 && !s->has_server && config->target && captive_is_line(config->target))
		r = captive_from_line(m->o, config->target, err);
	if (r == 0 && !s->has_server && !config->target && !m->o->unix_path && !m->o->image)
		r = config_no_server(path, err);
	return r;
}

static int configure(struct merge *m, struct words *words, struct config *config, struct err *err)
{
	struct options *o = m->o;
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
	r = read_files(m, path, &s, config, err);
	if (r < 0)
		return r;
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

static bool is_typed(const struct option_bits *bits, const char *name)
{
	return option_bit_is_set(bits, option_by_name(name, strlen(name)));
}

static int apply_defaults(struct merge *m, const struct words *words, struct err *err)
{
	struct config config;
	struct stat st;
	int r;

	/* One that cannot be read is an error: it may ask for read-only devices, or for TLS. */
	if (lstat(CONFIG_DEFAULTS, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	r = config_read_part(CONFIG_DEFAULTS, &config, NULL, NULL, err);
	if (r < 0)
		return r;
	r = defaults_apply(m->o, m->given, m->off, words, &config, err);
	config_done(&config);
	return r;
}

int options_configure(struct options *o, struct option_bits *given, struct option_bits *off,
		      struct words *words, struct config *config, struct err *err)
{
	struct merge m = {
	    .o = o,
	    .given = given,
	    .off = off,
	    .typed = *given,
	    .has_server = look(o, words).has_server,
	};
	int r;

	m.other = m.has_server || is_typed(given, "export") || is_typed(given, "port");
	r = configure(&m, words, config, err);
	/* Two files that contradict each other: the caller says so. */
	if (r < 0 || o->verb != VERB_ATTACH || options_conflict(given))
		return r;
	return apply_defaults(&m, words, err);
}
