/* SPDX-License-Identifier: MIT */
/* options_parse(): the command line, with getopt_long(3). */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "base/text.h"
#include "cli/conf.h"
#include "cli/habits.h"
#include "cli/merge.h"
#include "cli/server-captive.h"
#include "cli/table.h"
#include "cli/words.h"
#include "endpoint/uri-parts.h"

#define LONG_BASE 256 /* getopt's value of a long option is this plus its place in the table */

/* The command line, read from left to right. */
struct command {
	struct options options;
	struct option_bits given;
	struct option_bits off;	       /* --no-OPTION: what files say of it does not count */
	const struct option_def *open; /* what went before, if it could have had a value */
	struct words words;
};

/*
 * The arguments for getopt_long(). `-`: words come in their place, argv stays as it is; `:`: a
 * missing value is told from an unknown option.
 */
struct getopt_tables {
	char letters[2 + 3 * OPTIONS_MAX + 1];
	struct option longs[OPTIONS_MAX + 1];
};

static void fill_tables(struct getopt_tables *t)
{
	static const int has_arg[] = {
	    [VALUE_NONE] = no_argument,
	    [VALUE_REQUIRED] = required_argument,
	    [VALUE_OPTIONAL] = optional_argument,
	};
	struct text letters;

	memset(t, 0, sizeof(*t));
	text_init(&letters, t->letters, sizeof(t->letters));
	text_str(&letters, "-:");
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];
		char letter[] = {def->letter, '\0'};

		t->longs[i].name = def->name;
		t->longs[i].has_arg = has_arg[def->value];
		t->longs[i].val = LONG_BASE + (int)i;
		text_str(&letters, letter);
		if (def->letter && def->value == VALUE_REQUIRED)
			text_str(&letters, ":");
	}
}

/* Its place in the table for a value of getopt's, which is a letter or LONG_BASE and up. */
static size_t find(int value)
{
	for (size_t i = 0; i < options_count; i++)
		if (value == LONG_BASE + (int)i || (value && value == options_table[i].letter))
			return i;
	return options_count;
}

static int explain_unknown(const char *word, int letter, struct err *err)
{
	size_t i = find(letter);
	size_t len = strcspn(word, "=");
	const char *near;

	if (i < options_count)
		return part_bad(err, "--%s takes no value" TRY_HELP, options_table[i].name);
	if (habits_option(word, err) < 0)
		return -EINVAL;
	if (letter)
		return part_bad(err, "there is no option %s" TRY_HELP,
				quoted((const char[]){'-', (char)letter}, 2).text);
	for (i = 0; len > 2 && i < options_count; i++)
		if (strncmp(word + 2, options_table[i].name, len - 2) == 0)
			return part_bad(err,
					"there is no option %s; options are not abbreviated: is "
					"--%s meant?",
					quoted(word, len).text, options_table[i].name);
	near = len > 2 ? habits_nearest(word + 2, len - 2, false) : NULL;
	if (near)
		return part_bad(err, "there is no option %s: is --%s meant?",
				quoted(word, len).text, near);
	return part_bad(err, "there is no option %s" TRY_HELP, quoted(word, len).text);
}

/* --no-OPTION, of an option that a file can set. */
static bool take_back(struct command *c, const char *word)
{
	const struct option_def *def =
	    strncmp(word, "--no-", 5) == 0 ? option_by_name(word + 5, strlen(word + 5)) : NULL;

	if (!def || !def->in_file)
		return false;
	option_bit_set(&c->off, def);
	c->open = NULL;
	return true;
}

/* 30, 0.5, 30s, 500ms, 5m, 4M: no export is called like that when it follows --wait. */
static bool is_figure(const char *s)
{
	const char *unit = s + strspn(s, "0123456789.");

	return !unit[0] || (unit != s && (strcmp(unit, "ms") == 0 || strcmp(unit, "s") == 0 ||
					  strcmp(unit, "m") == 0 || strcmp(unit, "h") == 0 ||
					  strcmp(unit, "K") == 0 || strcmp(unit, "M") == 0 ||
					  strcmp(unit, "G") == 0));
}

/* Applies what getopt_long() found in `word`. */
static int apply(struct command *c, int value, const char *word, struct err *err)
{
	const struct option_def *def;
	size_t i, len;
	int r;

	if (value == 1) {
		/* `nbd0 host --wait 30` would look for an export "30". */
		if (c->open && is_figure(optarg))
			return part_bad(err, "--%s takes its value after an equals sign: --%s=%s",
					c->open->name, c->open->name, optarg);
		c->open = NULL;
		if (c->words.n < OPTIONS_WORDS_MAX)
			c->words.word[c->words.n] = optarg;
		c->words.n++;
		return 0;
	}
	if (value == '?' && take_back(c, word))
		return 0;
	if (value == '?')
		return explain_unknown(word, optopt, err);
	i = find(value == ':' ? optopt : value);
	def = &options_table[i];
	/* An abbreviation that is unique today would change its meaning with the next option. */
	len = strcspn(word, "=");
	if (strncmp(word, "--", 2) == 0 && strlen(def->name) != len - 2)
		return explain_unknown(word, 0, err);
	if (value == ':')
		return part_bad(err, "--%s needs a value: %s" TRY_HELP, def->name, def->shown);
	if (option_bit_is_set(&c->given, def) && def->value != VALUE_NONE && !def->repeats)
		return part_bad(err, "--%s is given twice", def->name);
	option_bit_set(&c->given, def);
	c->open = def->value == VALUE_OPTIONAL && !optarg ? def : NULL;
	r = def->set(&c->options, def, optarg, err);
	if (r == 0 && def->group != GROUP_VERB)
		r = options_note(&c->options, def, optarg, NULL, 0, err);
	return r;
}

static bool is_last_word(enum verb verb)
{
	return verb == VERB_HELP || verb == VERB_VERSION || verb == VERB_COMPLETION;
}

static int read_command(struct command *c, int argc, char **argv, struct err *err)
{
	struct getopt_tables t;
	int value, at, bracket = 0, r;

	fill_tables(&t);
	opterr = 0;
	optind = 0; /* GNU: start anew */
	for (;;) {
		at = optind ? optind : 1;
		/* With one dash, getopt_long() would treat the word's first letter as an option. */
		if (at < argc && argv[at][0] == '-' && argv[at][1] != '-' &&
		    habits_option(argv[at], err) < 0)
			return -EINVAL;
		value = getopt_long(argc, argv, t.letters, t.longs, NULL);
		if (value == -1)
			break;
		/* What follows is another program's. */
		if (value == 1 && strcmp(optarg, "[") == 0) {
			bracket = at;
			break;
		}
		r = apply(c, value, argv[at], err);
		if (r < 0 || is_last_word(c->options.verb)) {
			c->options.all = optind < argc && strcmp(argv[optind], "all") == 0;
			return r;
		}
	}
	if (bracket == 0 && at < argc) {
		bracket = optind; /* behind -- */
		if (bracket == argc)
			return part_bad(
			    err,
			    "there is no server command after --: -- [ COMMAND ... ]" TRY_HELP);
	}
	return bracket ? captive_from_argv(&c->options, argc - bracket, argv + bracket, err) : 0;
}

/* "--force belongs to --detach", "--json belongs to --status, --list or --info". */
static int explain_misplaced(const struct option_def *def, enum verb verb, struct err *err)
{
	char list[128];
	struct text t;
	unsigned left = def->verbs;

	if (def->verbs & 1U << VERB_ATTACH)
		return part_bad(err, "--%s cannot be combined with %s" TRY_HELP, def->name,
				verb_name(verb));
	text_init(&t, list, sizeof(list));
	for (unsigned v = 0; v < OPTIONS_VERBS; v++) {
		if (!(left & 1U << v))
			continue;
		left &= ~(1U << v);
		if (t.len)
			text_str(&t, left ? ", " : " or ");
		text_str(&t, verb_name((enum verb)v));
	}
	return part_bad(err, "--%s belongs to %s" TRY_HELP, def->name, list);
}

static int check_given(const struct command *c, struct err *err)
{
	const struct option_pair *pair;

	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];

		if (!option_bit_is_set(&c->off, def))
			continue;
		if (c->options.verb != VERB_ATTACH)
			return part_bad(err, "--no-%s cannot be combined with %s" TRY_HELP,
					def->name, verb_name(c->options.verb));
		if (option_bit_is_set(&c->given, def))
			return part_bad(err, "--%s and --no-%s cannot be combined", def->name,
					def->name);
	}

	for (size_t i = 0; i < options_count; i++)
		if (option_bit_is_set(&c->given, &options_table[i]) &&
		    !(options_table[i].verbs & 1U << c->options.verb))
			return explain_misplaced(&options_table[i], c->options.verb, err);
	pair = options_conflict(&c->given);
	return pair ? option_pair_explain(pair, err) : 0;
}

/* What the command line and the files make together. */
static int complete(struct command *c, const struct config *config, struct err *err)
{
	int r = check_given(c, err);

	if (r == 0) {
		r = words_apply(&c->options, &c->words, err);
		if (r < 0 && config->incomplete)
			err_prefix(err, "%s:%u: ", config->path, config->server_line);
	}
	if (r < 0)
		options_explain_origin(&c->options, err);
	return r;
}

int options_parse(int argc, char **argv, struct options *ret_options, struct err *err)
{
	struct command c = {0};
	struct config config = {0};
	struct option_bits off;
	int r;

	options_init(&c.options);
	r = read_command(&c, argc, argv, err);
	if (r == 0 && !is_last_word(c.options.verb)) {
		r = check_given(&c, err);
		if (r == 0 && c.options.verb == VERB_ATTACH)
			r = habits_words(&c.words, err);
		off = c.off; /* files add what they take back themselves */
		if (r == 0)
			r = options_configure(&c.options, &c.given, &off, &c.words, &config, err);
		if (r == 0)
			r = complete(&c, &config, err);
		config_done(&config);
	}
	if (r < 0) {
		options_done(&c.options);
		return r;
	}
	*ret_options = c.options;
	return 0;
}

int options_parse_config(const char *path, struct options *ret_options, struct err *err)
{
	char program[] = "nbd-attach", option[] = "--config";
	char *argv[] = {program, option, (char *)path, NULL};

	return options_parse((int)ARRAY_SIZE(argv) - 1, argv, ret_options, err);
}
