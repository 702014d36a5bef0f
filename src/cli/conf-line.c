/* SPDX-License-Identifier: MIT */
/* One line of a configuration file: taken apart, checked, stored. */
#include "cli/conf-private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/habits.h"
#include "cli/removed.h"
#include "endpoint/uri-parts.h"

void config_complain(struct config_reader *r, unsigned line, struct err *e)
{
	if (line)
		err_prefix(e, "%s:%u: ", r->config->path, line);
	else
		err_prefix(e, "%s: ", r->config->path);
	if (r->errors++ == 0 && r->err)
		*r->err = *e;
	if (r->fn)
		r->fn(e, r->arg);
}

/* A piece of the file. */
struct piece {
	const char *p;
	size_t len;
};

static struct piece trim(const char *p, size_t len)
{
	while (len && isspace((unsigned char)p[0])) {
		p++;
		len--;
	}
	while (len && isspace((unsigned char)p[len - 1]))
		len--;
	return (struct piece){p, len};
}

static bool equal(struct piece piece, const char *s)
{
	return strlen(s) == piece.len && memcmp(piece.p, s, piece.len) == 0;
}

/* True if the user seems to mean the rest of the line as a comment that begins with this sign. */
static bool has_comment(struct piece value, char sign)
{
	for (size_t i = 1; i < value.len; i++)
		if (value.p[i] == sign && isspace((unsigned char)value.p[i - 1]))
			return true;
	return value.len && value.p[0] == sign;
}

/* yes, no and their synonyms; -1 for anything else. */
static int truth(const char *value)
{
	static const char *const words[][3] = {{"no", "false", "off"}, {"yes", "true", "on"}};

	for (int t = 0; t < 2; t++)
		for (size_t i = 0; i < 3; i++)
			if (strcmp(value, words[t][i]) == 0)
				return t;
	return -1;
}

static void add(struct config_reader *r, const struct option_def *def, char *value)
{
	struct config *c = r->config;

	if (c->n == CONFIG_ENTRIES_MAX) {
		complain_of(r, "more than %d lines with values", CONFIG_ENTRIES_MAX);
		free(value);
		return;
	}
	c->entry[c->n++] = (struct config_entry){def, value, r->line};
	option_bit_set(&r->given, def);
}

/* A shell reads the commands, and quotes mean something to it. */
static bool is_command(const struct option_def *def)
{
	return strcmp(def->name, "fence") == 0 || strcmp(def->name, "on-change") == 0;
}

/* True if the user seems to mean the quotes around a value as a shell does. */
static bool is_quoted(struct piece value)
{
	return value.len >= 2 && (value.p[0] == '"' || value.p[0] == '\'') &&
	       value.p[value.len - 1] == value.p[0];
}

/* `fence = no` would be a command called no. */
static bool is_mistaken(const struct option_def *def, int on)
{
	static const char *const names[] = {"fence", "on-change", "source"};

	for (size_t i = 0; on >= 0 && i < ARRAY_SIZE(names); i++)
		if (strcmp(def->name, names[i]) == 0)
			return true;
	return false;
}

static void set_option(struct config_reader *r, const struct option_def *def, const char *value)
{
	_cleanup_free_ char *copy = NULL;
	const char *path;
	struct err e;
	int on = truth(value);

	if (option_bit_is_set(&r->seen, def) && !def->repeats) {
		complain_of(r, "%s is given twice in this file", def->name);
		return;
	}
	option_bit_set(&r->seen, def);
	if (def->value == VALUE_NONE && on < 0) {
		complain_of(r, "%s must be yes or no, not %s", def->name, quoted_str(value).text);
		return;
	}
	if (def->value != VALUE_REQUIRED && on == 0) {
		option_bit_set(&r->config->off, def);
		return;
	}
	if (is_mistaken(def, on)) {
		complain_of(r, "%s is not switched on or off: leave the line out%s", def->name,
			    strcmp(def->name, "fence") == 0 ? ", or write fence = none" : "");
		return;
	}
	path = option_path(def, value);
	if (path && path[0] != '/') {
		complain_of(r, "%s must be an absolute path, not %s", def->name,
			    quoted_str(path).text);
		return;
	}
	if (def->value == VALUE_REQUIRED || on < 0) {
		copy = strdup(value);
		if (!copy) {
			complain_of(r, "out of memory");
			return;
		}
	}
	if (def->set(&r->scratch, def, copy, &e) < 0)
		config_complain(r, r->line, &e);
	else
		add(r, def, TAKE_PTR(copy));
}

/* A key that is not an option. */
static void set_text(struct config_reader *r, const char *name, char **field, unsigned *field_line,
		     struct piece value)
{
	if (*field) {
		complain_of(r, "%s is given twice in this file", name);
		return;
	}
	*field = part_copy(value.p, value.len);
	*field_line = r->line;
	if (!*field)
		complain_of(r, "out of memory");
}

/* True for what says which device or server is meant. */
static bool says_which(const struct config_reader *r, struct piece name)
{
	static const char *const names[] = {"target", "device",	 "unix", "port", "export",
					    "image",  "command", "user", "name", "identifier"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (equal(name, names[i]))
			return true;
	/* No server can be another server of every device's export. */
	return equal(name, "failover") && strcmp(r->config->path, CONFIG_DEFAULTS) == 0;
}

static void read_pair(struct config_reader *r, struct piece name, struct piece value)
{
	const struct option_def *def = option_by_name(name.p, name.len);
	struct config *c = r->config;
	_cleanup_free_ char *text = NULL;
	struct err e;

	if (is_quoted(value) && !(def && is_command(def))) {
		complain_of(r, "quotes are a part of the value in this file: write the value "
			       "without them");
		return;
	}
	if (r->part && says_which(r, name)) {
		complain_of(r, "%s belongs to one configuration, and so into its own file",
			    quoted(name.p, name.len).text);
		return;
	}
	if (equal(name, "target")) {
		set_text(r, "target", &c->target, &c->target_line, value);
	} else if (equal(name, "device")) {
		set_text(r, "device", &c->device, &c->device_line, value);
	} else if (def && def->in_file) {
		text = part_copy(value.p, value.len);
		if (text)
			set_option(r, def, text);
		else
			complain_of(r, "out of memory");
	} else if (def && !def->hidden) {
		complain_of(r, "%s is for the command line only", def->name);
	} else if (removed_option(name.p, name.len, &e) < 0) {
		config_complain(r, r->line, &e);
	} else {
		const char *near = habits_nearest(name.p, name.len, true);

		complain_of(r, "there is no option %s%s%s%s", quoted(name.p, name.len).text,
			    near ? ": is " : "", near ? near : "", near ? " meant?" : "");
	}
}

/* A shell separates commands with semicolons, and a server command may contain them, too. */
static bool is_for_shell(struct piece name, struct piece value)
{
	const struct option_def *def = option_by_name(name.p, name.len);

	return (def && is_command(def)) ||
	       (equal(name, "target") && value.len && value.p[0] == '[');
}

void config_line(struct config_reader *r, const char *p, size_t len)
{
	struct piece line = trim(p, len), name, value;
	const char *sign = memchr(line.p, '=', line.len);

	if (line.len == 0 || line.p[0] == '#' || line.p[0] == ';')
		return;
	if (line.len >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0) {
		complain_of(r, "the file begins with a byte-order mark: save the file without it");
		return;
	}
	if (line.p[0] == '[') {
		complain_of(r, "this file cannot have sections: remove the line");
		return;
	}
	if (line.p != p) {
		complain_of(r, "the line starts with a blank: write an option and its value on one "
			       "line, without a blank before them");
		return;
	}
	if (!sign) {
		complain_of(r, "%s is not of the form `name = value`",
			    quoted(line.p, line.len).text);
		return;
	}
	name = trim(line.p, (size_t)(sign - line.p));
	value = trim(sign + 1, (size_t)(line.p + line.len - sign - 1));
	if (!part_printable(name.p, name.len) || !part_printable(value.p, value.len))
		complain_of(r, "the line is not UTF-8, or contains a control character");
	else if (has_comment(value, '#'))
		complain_of(r, "a # after a blank does not begin a comment here: put the comment "
			       "on a line of its own, or a command into a script");
	else if (has_comment(value, ';') && !is_for_shell(name, value))
		complain_of(r, "a semicolon after a blank does not begin a comment here: put the "
			       "comment on a line of its own");
	else
		read_pair(r, name, value);
}
