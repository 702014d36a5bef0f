/* SPDX-License-Identifier: MIT */
/*
 * Tries out whether a default fits: it makes the options with the default and without it. The
 * options' own checks decide, so that no list of allowed combinations is needed here.
 */
#include "cli/defaults.h"

#include <errno.h>
#include <string.h>

#include "cli/server-captive.h"
#include "endpoint/uri-parts.h"

struct choice {
	const struct options *o;
	const struct option_bits *given;
	const struct words *words;
	const struct config *defaults;
	bool open[CONFIG_ENTRIES_MAX]; /* it may fit */
	bool kept[CONFIG_ENTRIES_MAX]; /* it fits and is used */
};

static bool is_tls(const struct config_entry *e)
{
	return e->def->group == GROUP_TLS;
}

static int set_all(const struct choice *c, struct options *t, struct option_bits *bits,
		   struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->o->n_settings; i++) {
		const struct options_setting *s = &c->o->settings[i];

		r = s->def->set(t, s->def, s->value, err);
	}
	for (size_t i = 0; r == 0 && i < c->defaults->n; i++) {
		const struct config_entry *e = &c->defaults->entry[i];

		if (!c->kept[i])
			continue;
		r = e->def->set(t, e->def, e->value, err);
		option_bit_set(bits, e->def);
	}
	return r;
}

/* Makes the options with the defaults that are used so far. 0, or -errno with the reason. */
static int try_options(const struct choice *c, struct err *err)
{
	struct option_bits bits = *c->given;
	const struct option_pair *pair;
	struct options t;
	int r;

	options_init(&t);
	r = captive_copy(&t, c->o, err);
	if (r == 0)
		r = set_all(c, &t, &bits, err);
	pair = options_conflict(&bits);
	if (r == 0 && pair)
		r = option_pair_explain(pair, err);
	if (r == 0)
		r = words_apply(&t, c->words, err);
	options_done(&t);
	return r;
}

/* Keeps the open defaults for which fn is true, if all of them fit. */
static bool keep_group(struct choice *c, bool (*fn)(const struct config_entry *e))
{
	bool before[CONFIG_ENTRIES_MAX];
	struct err ignored;

	memcpy(before, c->kept, sizeof(before));
	for (size_t i = 0; i < c->defaults->n; i++)
		c->kept[i] |= c->open[i] && (!fn || fn(&c->defaults->entry[i]));
	if (try_options(c, &ignored) == 0)
		return true;
	memcpy(c->kept, before, sizeof(before));
	return false;
}

static bool keep_one(struct choice *c, size_t i)
{
	struct err ignored;

	if (!c->open[i] || c->kept[i])
		return false;
	c->kept[i] = true;
	if (try_options(c, &ignored) == 0)
		return true;
	c->kept[i] = false;
	return false;
}

/* Pairs that need each other, such as a certificate and its key. */
static void keep_pairs(struct choice *c)
{
	for (size_t i = 0; i < c->defaults->n; i++) {
		if (!c->open[i] || c->kept[i] || !is_tls(&c->defaults->entry[i]))
			continue;
		c->kept[i] = true;
		for (size_t k = 0; k < c->defaults->n; k++)
			if (is_tls(&c->defaults->entry[k]) && keep_one(c, k))
				break;
		c->kept[i] = try_options(c, &(struct err){0}) == 0;
	}
}

/* As many as fit, in the order of the file. */
static void choose(struct choice *c)
{
	if (keep_group(c, NULL))
		return;
	keep_group(c, is_tls);
	keep_pairs(c);
	for (size_t i = 0; i < c->defaults->n; i++)
		keep_one(c, i);
}

static bool is_tls_demand(const struct config_entry *e)
{
	return strcmp(e->def->name, "tls") == 0;
}

/* True for a server whose data leaves this machine. */
static bool is_remote(const struct choice *c)
{
	struct options t;
	struct err ignored;
	bool remote = false;

	options_init(&t);
	if (captive_copy(&t, c->o, &ignored) == 0 &&
	    set_all(c, &t, &(struct option_bits){0}, &ignored) == 0) {
		words_apply(&t, c->words, &ignored); /* the defaults may add the missing TLS */
		remote = !captive_wanted(&t) && t.endpoint.type != ENDPOINT_UNIX;
	}
	options_done(&t);
	return remote;
}

static int leave_out(struct options *o, struct choice *c, size_t i, bool remote, struct err *err)
{
	const struct config_entry *e = &c->defaults->entry[i];
	struct err why = {.message = "a server on this machine needs no encryption"};

	if (!is_tls_demand(e) || remote) {
		c->kept[i] = true;
		try_options(c, &why);
		c->kept[i] = false;
	}
	if (is_tls_demand(e) && remote) {
		*err = why;
		err_prefix(err, "%s:%u: tls = yes demands TLS of this server as well: ",
			   c->defaults->path, e->line);
		return -EINVAL;
	}
	return options_leave_out(o, e->def, c->defaults->path, e->line, why.message, err);
}

int defaults_apply(struct options *o, struct option_bits *given, const struct option_bits *off,
		   const struct words *words, const struct config *defaults, struct err *err)
{
	struct choice c = {.o = o, .given = given, .words = words, .defaults = defaults};
	bool remote = is_remote(&c), wanted[CONFIG_ENTRIES_MAX] = {false};
	int r = 0;

	for (size_t i = 0; i < defaults->n; i++) {
		const struct config_entry *e = &defaults->entry[i];

		wanted[i] = !option_bit_is_set(given, e->def) && !option_bit_is_set(off, e->def);
		c.open[i] = wanted[i] && (remote || !is_tls_demand(e));
	}
	choose(&c);
	for (size_t i = 0; r == 0 && i < defaults->n; i++)
		if (wanted[i] && !c.kept[i])
			r = leave_out(o, &c, i, remote, err);
	for (size_t i = 0; r == 0 && i < defaults->n; i++) {
		const struct config_entry *e = &defaults->entry[i];

		if (!c.kept[i])
			continue;
		r = e->def->set(o, e->def, e->value, err);
		if (r == 0)
			r = options_note(o, e->def, e->value, defaults->path, e->line, err);
		option_bit_set(given, e->def);
	}
	return r;
}
