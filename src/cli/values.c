/* SPDX-License-Identifier: MIT */
/* Checks an option's value completely, then stores it in struct options. Long: a list of functions,
 * one for each kind of value. */
#include "cli/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/account.h"
#include "base/cleanup.h"
#include "cli/name.h"
#include "transport/sockopts.h"
#include "endpoint/uri-parts.h"

static void *field_of(struct options *o, const struct option_def *def)
{
	return (char *)o + def->field;
}

static int store_text(struct options *o, const struct option_def *def, const char *value,
		      struct err *err)
{
	char **field = field_of(o, def);
	char *copy = strdup(value);

	if (!copy)
		return part_no_memory(err);
	free(*field); /* given again: the last one counts */
	*field = copy;
	return 0;
}

/* The place of the value among the choices, or -errno. */
static int choice(const struct option_def *def, const char *value, struct err *err)
{
	for (int i = 0; def->choices[i]; i++)
		if (strcmp(value, def->choices[i]) == 0)
			return i;
	return part_bad(err, "--%s must be one of %s, not %s", def->name, def->shown,
			quoted_str(value).text);
}

int option_set_verb(struct options *o, const struct option_def *def, const char *value,
		    struct err *err)
{
	(void)value;
	if (o->verb != VERB_ATTACH && o->verb != def->verb)
		return part_bad(err, "%s and %s cannot be combined", verb_name(o->verb),
				verb_name(def->verb));
	o->verb = def->verb;
	return 0;
}

int option_set_completion(struct options *o, const struct option_def *def, const char *value,
			  struct err *err)
{
	int i = choice(def, value, err);

	if (i < 0)
		return i;
	o->shell = (enum completion_shell)i;
	return option_set_verb(o, def, value, err);
}

int option_set_flag(struct options *o, const struct option_def *def, const char *value,
		    struct err *err)
{
	bool *field = field_of(o, def);

	(void)value;
	(void)err;
	*field = true;
	return 0;
}

int option_set_text(struct options *o, const struct option_def *def, const char *value,
		    struct err *err)
{
	if (!value[0] && def->hint == HINT_FILE)
		return part_bad(err, "the value of --%s is empty", def->name);
	return store_text(o, def, value, err);
}

/* A number of bytes, with K, M or G for 1024 and its powers. */
static int size(struct options *o, const struct option_def *def, const char *value,
		uint64_t *ret_number)
{
	static const char units[] = "KMG";
	size_t len = strlen(value);
	const char *unit = len ? strchr(units, value[len - 1]) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	int r = part_number(value, len - (unit != NULL), 0, UINT32_MAX, ret_number);

	if (r != 0 || *ret_number << shift >> shift != *ret_number)
		return -EINVAL;
	*ret_number <<= shift;
	if (*ret_number < def->min || *ret_number > def->max)
		return -ERANGE;
	*(uint32_t *)field_of(o, def) = (uint32_t)*ret_number;
	return 0;
}

static int number(struct options *o, const struct option_def *def, const char *value,
		  uint64_t *ret_number)
{
	int r = part_number(value, strlen(value), def->min, def->max, ret_number);

	if (r == 0)
		*(uint32_t *)field_of(o, def) = (uint32_t)*ret_number;
	return r;
}

int option_set_number(struct options *o, const struct option_def *def, const char *value,
		      struct err *err)
{
	uint64_t n;

	if (number(o, def, value, &n) != 0)
		return part_bad(err, "--%s must be a number from %u to %u, not %s", def->name,
				def->min, def->max, quoted_str(value).text);
	return 0;
}

/*
 * A duration in ms: a number with at most three decimals, and ms, s (which may be left out), m or
 * h. False: anything else.
 */
static bool parse_ms(const char *s, uint32_t min, uint32_t max, uint32_t *ret_ms)
{
	static const unsigned scale[] = {1000, 100, 10, 1};
	static const struct {
		const char *unit;
		unsigned ms;
	} units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}};
	size_t whole = strspn(s, "0123456789");
	size_t decimals = s[whole] == '.' ? strspn(s + whole + 1, "0123456789") : 0;
	const char *unit = s + whole + (s[whole] == '.') + decimals;
	uint64_t n, part = 0, ms = 0;

	if (s[whole] == '.' && (decimals < 1 || decimals > 3))
		return false;
	if (part_number(s, whole, 0, UINT32_MAX, &n) != 0)
		return false;
	if (decimals && part_number(s + whole + 1, decimals, 0, 999, &part) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(units[i].unit, unit) == 0)
			ms = units[i].ms;
	/* Whole ms: 0.5ms is none. */
	if (ms == 0 || part * scale[decimals] * ms % 1000 != 0)
		return false;
	n = n * ms + part * scale[decimals] * ms / 1000;
	if (n < min || n > max)
		return false;
	*ret_ms = (uint32_t)n;
	return true;
}

/* The same for a limit in whole seconds, which may be larger than 32 bits of ms can tell. */
static bool parse_whole(struct options *o, const struct option_def *def, const char *value)
{
	size_t digits = strspn(value, "0123456789");
	unsigned factor = strcmp(value + digits, "m") == 0   ? 60
			  : strcmp(value + digits, "h") == 0 ? 3600
							     : 1;
	uint64_t n;
	uint32_t ms;

	if (strcmp(value + digits, "ms") == 0) {
		if (!parse_ms(value, 0, UINT32_MAX, &ms) || ms % 1000 != 0)
			return false;
		n = ms / 1000;
	} else if ((value[digits] && factor == 1 && strcmp(value + digits, "s") != 0) ||
		   part_number(value, digits, 0, UINT32_MAX, &n) != 0) {
		return false;
	}
	n *= factor;
	if (n < def->min || n > def->max)
		return false;
	*(uint32_t *)field_of(o, def) = (uint32_t)n;
	return true;
}

int option_set_size(struct options *o, const struct option_def *def, const char *value,
		    struct err *err)
{
	uint64_t n;

	if (size(o, def, value, &n) != 0)
		return part_bad(err, "--%s must be a number from %u to %u, not %s", def->name,
				def->min, def->max, quoted_str(value).text);
	return 0;
}

int option_set_whole_seconds(struct options *o, const struct option_def *def, const char *value,
			     struct err *err)
{
	if (!parse_whole(o, def, value))
		return part_bad(err,
				"--%s must be a whole number of seconds from %u to %u, such as 90 "
				"or 2m, not %s",
				def->name, def->min, def->max, quoted_str(value).text);
	return 0;
}

int option_set_power(struct options *o, const struct option_def *def, const char *value,
		     struct err *err)
{
	uint64_t n;

	if (size(o, def, value, &n) != 0 || (n & (n - 1)) != 0)
		return part_bad(
		    err, "--%s must be a power of two from %u to %u, such as 4096 or 4K, not %s",
		    def->name, def->min, def->max, quoted_str(value).text);
	return 0;
}

int option_set_seconds(struct options *o, const struct option_def *def, const char *value,
		       struct err *err)
{
	if (!parse_ms(value, def->min, def->max, field_of(o, def)))
		return part_bad(err,
				"--%s must be a number of seconds from %g to %u, with at most "
				"three decimals, such as 7.5 or 7500ms, not %s",
				def->name, def->min / 1000.0, def->max / 1000,
				quoted_str(value).text);
	return 0;
}

int option_set_retry_delay(struct options *o, const struct option_def *def, const char *value,
			   struct err *err)
{
	size_t len = strcspn(value, ",");
	_cleanup_free_ char *first = part_copy(value, len);
	uint32_t early = 0, late = OPTIONS_RETRY_DELAY_LATE;

	if (!first)
		return part_no_memory(err);
	if (!parse_ms(first, def->min, def->max, &early) ||
	    (value[len] && !parse_ms(value + len + 1, def->min, def->max, &late)))
		return part_bad(err,
				"--%s must be one or two numbers of seconds from %g to %u, with a "
				"comma between them, such as 0.5,5, not %s",
				def->name, def->min / 1000.0, def->max / 1000,
				quoted_str(value).text);
	o->retry_delay_ms = early;
	o->retry_delay_late_ms = value[len] || late > early ? late : early;
	return 0;
}

int option_set_wait(struct options *o, const struct option_def *def, const char *value,
		    struct err *err)
{
	o->wait = true;
	o->wait_ms = 0;
	return value ? option_set_seconds(o, def, value, err) : 0;
}

int option_set_patience(struct options *o, const struct option_def *def, const char *value,
			struct err *err)
{
	if (strcmp(value, "infinity") == 0) {
		*(uint32_t *)field_of(o, def) = OPTIONS_FOREVER;
		return 0;
	}
	if (!parse_whole(o, def, value))
		return part_bad(err,
				"--%s must be a whole number of seconds from %u to %u, such as 90 "
				"or 2m, or infinity, not %s",
				def->name, def->min, def->max, quoted_str(value).text);
	return 0;
}

/* Words with commas between. */
int option_set_accept(struct options *o, const struct option_def *def, const char *value,
		      struct err *err)
{
	unsigned accept = 0;

	for (const char *word = value;; word++) {
		size_t len = strcspn(word, ",");
		unsigned i = 0;

		while (def->choices[i] &&
		       (strlen(def->choices[i]) != len || strncmp(word, def->choices[i], len) != 0))
			i++;
		if (!def->choices[i])
			return part_bad(err, "--%s takes %s, separated by commas, not %s",
					def->name, def->shown, quoted(word, len).text);
		accept |= 1U << i;
		word += len;
		if (!*word)
			break;
	}
	o->accept |= accept;
	return 0;
}

int option_set_zero_one(struct options *o, const struct option_def *def, const char *value,
			struct err *err)
{
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return part_bad(err, "--%s must be 0 or 1, not %s", def->name,
				quoted_str(value).text);
	return store_text(o, def, value, err);
}

int option_set_backend(struct options *o, const struct option_def *def, const char *value,
		       struct err *err)
{
	int i = choice(def, value, err);

	if (i < 0)
		return i;
	o->backend = (enum kernel_backend)i;
	return 0;
}

/* One line in sysfs, compared byte by byte at each reconnect. */
int option_set_identifier(struct options *o, const struct option_def *def, const char *value,
			  struct err *err)
{
	size_t len = strlen(value);

	if (len < def->min || len > def->max || !part_printable(value, len))
		return part_bad(err,
				"--%s must be a text of %u to %u bytes without control characters, "
				"not %s",
				def->name, def->min, def->max, quoted(value, len).text);
	return store_text(o, def, value, err);
}

/* A file in /dev/disk/by-nbd, a value for udev, and a word that no device is called. */
int option_set_name(struct options *o, const struct option_def *def, const char *value,
		    struct err *err)
{
	if (!config_is_name(value, strlen(value)))
		return part_bad(err,
				"--%s must have 1 to %d letters, digits, dots, dashes and "
				"underscores, the first one a letter or digit, and be neither auto "
				"nor the name of a device, not %s",
				def->name, CONFIG_NAME_MAX, quoted_str(value).text);
	return store_text(o, def, value, err);
}

int option_set_source(struct options *o, const struct option_def *def, const char *value,
		      struct err *err)
{
	struct source source;
	int r = source_parse(value, &source, err);

	return r == 0 ? store_text(o, def, value, err) : r;
}

struct user {
	const char *name;
	uint64_t uid; /* UINT64_MAX: there is none of this name */
};

static bool is_user(const struct passwd *pw, void *arg)
{
	struct user *u = arg;

	if (strcmp(pw->pw_name, u->name) == 0)
		u->uid = pw->pw_uid;
	return u->uid != UINT64_MAX;
}

static bool find_user(const char *name, uint64_t *ret_uid)
{
	struct user user = {name, UINT64_MAX};

	account_each(is_user, &user);
	*ret_uid = user.uid;
	return user.uid != UINT64_MAX;
}

/* No user has the number (uid_t)-1: setreuid(2) understands it as "unchanged". */
int option_set_user(struct options *o, const struct option_def *def, const char *value,
		    struct err *err)
{
	uint64_t n = 0;

	if (part_number(value, strlen(value), 0, UINT32_MAX - 1, &n) != 0 && !find_user(value, &n))
		return part_bad(err, "--%s must be a user in /etc/passwd, or a number, not %s",
				def->name, quoted_str(value).text);
	o->owned = true;
	o->peer_uid = (uid_t)n;
	return 0;
}

int option_set_verbose(struct options *o, const struct option_def *def, const char *value,
		       struct err *err)
{
	(void)def;
	(void)value;
	(void)err;
	o->log_level = o->log_level < LOG_INFO ? LOG_INFO : LOG_DEBUG;
	return 0;
}

int option_set_quiet(struct options *o, const struct option_def *def, const char *value,
		     struct err *err)
{
	(void)def;
	(void)value;
	(void)err;
	o->log_level = LOG_ERR;
	return 0;
}
