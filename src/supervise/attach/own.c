/* SPDX-License-Identifier: MIT */
#include "supervise/attach/own.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/sysfs.h"
#include "supervise/attach/adopt.h"

/* What is known of an attached device. */
struct facts {
	bool described; /* its state file is of this attachment */
	bool read_only; /* the device is, for whatever reason */
};

static void look(int index, const char *identifier, struct state *room, struct facts *ret)
{
	struct sysfs_device device;

	ret->described = state_read(index, room, NULL) == 0 && room->attachment &&
			 room->attachment == sysfs_attachment(index) &&
			 strcmp(room->identifier, identifier) == 0;
	ret->read_only = ret->described ? room->read_only
					: sysfs_device(index, &device) == 0 && device.read_only;
}

static bool has_same_name(const struct own_wanted *wanted, const struct state *s)
{
	return strcmp(wanted->name ? wanted->name : "", s->stable_name) == 0;
}

/* The word `NAME:DIGEST` of a list of options; NULL: it has none. `name` includes the colon. */
static const char *find_word(const char *list, const char *name, size_t *ret_len)
{
	for (; *list; list += *ret_len + (list[*ret_len] == ' ')) {
		*ret_len = strcspn(list, " ");
		if (strncmp(list, name, strlen(name)) == 0)
			return list;
	}
	return NULL;
}

/* False also if one of them does not have it. */
static bool is_same_option(const char *a, const char *b, const char *name)
{
	size_t a_len = 0, b_len = 0;

	a = find_word(a, name, &a_len);
	b = find_word(b, name, &b_len);
	return a && b && a_len == b_len && memcmp(a, b, a_len) == 0;
}

/*
 * Whether read-only was asked for, too, or was not, either. A read-only device does not tell: its
 * server may have allowed no writing. The identifiers are the same, so their digests show whether
 * both lists were made with one key.
 */
static enum own match_read_only(const struct own_wanted *wanted, const struct facts *f,
				const struct state *s)
{
	const char *options = wanted->options ? wanted->options : "";

	if (!f->read_only)
		return wanted->read_only ? OWN_NOT : OWN_CERTAIN;
	if (f->described && is_same_option(options, s->options, "identifier:"))
		return is_same_option(options, s->options, "read-only:") ? OWN_CERTAIN : OWN_NOT;
	/* Another one can be attached beside it, unless the name forbids that. */
	return wanted->read_only || (f->described && wanted->name) ? OWN_PERHAPS : OWN_NOT;
}

enum own own_match(int index, const struct own_wanted *wanted, struct state *room)
{
	struct facts f;
	enum own same;

	if (!adopt_possible(index, wanted->identifier))
		return OWN_NOT;
	look(index, wanted->identifier, room, &f);
	if (f.described && !has_same_name(wanted, room))
		return OWN_NOT;
	same = match_read_only(wanted, &f, room);
	return same == OWN_CERTAIN && !f.described ? OWN_PERHAPS : same;
}

int own_excludes(int index, const struct own_wanted *wanted, struct state *room, struct err *err)
{
	struct facts f;
	const char *mode;

	if (!adopt_possible(index, wanted->identifier))
		return 0;
	look(index, wanted->identifier, room, &f);
	if (!f.described)
		return 0;
	mode = !f.read_only	   ? "for writing"
	       : wanted->read_only ? "without --read-only"
				   : "read-only";
	if (has_same_name(wanted, room) && wanted->name)
		return err_set(err, ERR_BUSY, EBUSY,
			       "/dev/nbd%d is attached already with the name %s, but %s: detach it "
			       "first",
			       index, wanted->name, mode);
	if (has_same_name(wanted, room) || wanted->read_only || f.read_only)
		return 0;
	return err_set(err, ERR_BUSY, EBUSY,
		       "/dev/nbd%d is attached for writing already, with %s%s instead of %s%s: "
		       "attach it as nbd%d to take it over, or detach it first",
		       index, room->stable_name[0] ? "the name " : "no name", room->stable_name,
		       wanted->name ? "the name " : "none", wanted->name ? wanted->name : "",
		       index);
}
