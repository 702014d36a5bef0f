/* SPDX-License-Identifier: MIT */
/*
 * The table of options. An entry has everything about an option: how it is written, which verbs
 * accept it, where its value is stored, its bounds, its --help text, and what the shell completes.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"
#include "cli/verbs.h"

enum option_group {
	GROUP_VERB,
	GROUP_SERVER,
	GROUP_TLS,
	GROUP_DEVICE,
	GROUP_OUTAGE,
	GROUP_RUN,
	OPTION_GROUPS
};

extern const char *const options_groups[OPTION_GROUPS];

enum option_value { VALUE_NONE, VALUE_REQUIRED, VALUE_OPTIONAL };

enum option_hint { HINT_NONE, HINT_FILE, HINT_IMAGE, HINT_INTERFACE };

struct option_def;

/* value: NULL if none was given. 0, or -errno with *err, which names the option. */
typedef int option_set_fn(struct options *o, const struct option_def *def, const char *value,
			  struct err *err);

struct option_def {
	const char *name; /* long, without dashes */
	char letter;	  /* 0: none */
	enum option_value value;
	enum option_hint hint;
	enum option_group group;
	bool hidden;
	bool common;	    /* in the short --help */
	bool in_file;	    /* may stand in a configuration file: what belongs to a device */
	bool fixed;	    /* told to the kernel at the attach: a takeover cannot change it */
	bool repeats;	    /* ... more than once: the values add up */
	unsigned verbs;	    /* 1 << VERB_*: where it means something */
	const char *shown;  /* how the value, or what follows a verb, is shown; or NULL */
	const char *help;   /* one sentence without a full stop; wrapped */
	option_set_fn *set; /* cli/values.c */

	/* For `set`. */
	enum verb verb;
	size_t field;		    /* offset in struct options */
	uint32_t min, max;	    /* numbers; durations in ms */
	const char *const *choices; /* NULL-terminated, in the order of an enum */
};

extern const struct option_def options_table[];
extern const size_t options_count;

option_set_fn option_set_verb, option_set_completion, option_set_flag, option_set_text,
    option_set_number, option_set_size, option_set_whole_seconds, option_set_power,
    option_set_seconds, option_set_backend, option_set_identifier, option_set_name,
    option_set_source, option_set_user, option_set_wait, option_set_patience, option_set_accept,
    option_set_zero_one, option_set_failover, option_set_failback, option_set_fence,
    option_set_image, option_set_retry_delay, option_set_same_content, option_set_verbose,
    option_set_quiet;

/* Options that contradict each other. */
struct option_pair {
	const char *a, *b;
	const char *why; /* put behind the sentence; or NULL */
	bool overrides;	 /* the one on the command line wins over the other in the file */
};

/* Some of the options: a bit for each place in the table. */
#define OPTIONS_MAX 128

struct option_bits {
	uint64_t word[OPTIONS_MAX / 64];
};

/* The first contradiction among the options that are given, or NULL. */
const struct option_pair *options_conflict(const struct option_bits *given);
int option_pair_explain(const struct option_pair *pair, struct err *err);

/* The path in an option's value, or NULL if the value has none. */
const char *option_path(const struct option_def *def, const char *value);

/* The entry of a long name of len bytes, or NULL. */
const struct option_def *option_by_name(const char *name, size_t len);

static inline void option_bit_set(struct option_bits *bits, const struct option_def *def)
{
	size_t i = (size_t)(def - options_table);

	bits->word[i / 64] |= UINT64_C(1) << i % 64;
}

static inline bool option_bit_is_set(const struct option_bits *bits, const struct option_def *def)
{
	size_t i = (size_t)(def - options_table);

	return bits->word[i / 64] >> i % 64 & 1;
}

#endif
