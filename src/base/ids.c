/* SPDX-License-Identifier: MIT */
#include "base/ids.h"

#include <string.h>

#include "base/text.h"

#define NAME(item, name) [IDS_##item] = (name),

static const char *const names[IDS_KINDS] = {IDS_LIST(NAME)};

static const char allowed[] = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool ids_valid(const struct ids *ids)
{
	for (int i = 0; i < IDS_KINDS; i++) {
		size_t len = strnlen(ids->id[i], IDS_ONE_MAX);

		if (len == IDS_ONE_MAX || strspn(ids->id[i], allowed) != len)
			return false;
	}
	return true;
}

static bool differs(const struct ids *known, const struct ids *now, int kind)
{
	return known->id[kind][0] && strcmp(known->id[kind], now->id[kind]) != 0;
}

bool ids_differ(const struct ids *known, const struct ids *now)
{
	for (int i = 0; i < IDS_KINDS; i++)
		if (differs(known, now, i))
			return true;
	return false;
}

char *ids_text(const struct ids *ids, char buf[static IDS_TEXT_MAX])
{
	struct text t;

	text_init(&t, buf, IDS_TEXT_MAX);
	for (int i = 0; i < IDS_KINDS; i++) {
		if (!ids->id[i][0])
			continue;
		text_str(&t, t.len ? " " : "");
		text_str(&t, names[i]);
		text_str(&t, ":");
		text_str(&t, ids->id[i]);
	}
	if (t.len == 0)
		text_str(&t, "none");
	return buf;
}

char *ids_difference(const struct ids *known, const struct ids *now, char *buf, size_t size)
{
	struct text t;

	text_init(&t, buf, size);
	for (int i = 0; i < IDS_KINDS; i++) {
		if (!differs(known, now, i))
			continue;
		text_str(&t, t.len ? ", " : "");
		text_str(&t, names[i]);
		text_str(&t, " ");
		text_str(&t, now->id[i][0] ? now->id[i] : "none");
		text_str(&t, " instead of ");
		text_str(&t, known->id[i]);
	}
	return buf;
}

/* The kind whose name is followed by a colon here; -1: none. */
static int kind_of(const char *word, size_t len)
{
	for (int i = 0; i < IDS_KINDS; i++)
		if (strlen(names[i]) < len && word[strlen(names[i])] == ':' &&
		    strncmp(word, names[i], strlen(names[i])) == 0)
			return i;
	return -1;
}

static bool parse_one(const char *word, size_t len, struct ids *ids)
{
	int kind = kind_of(word, len);
	size_t skip = kind < 0 ? 0 : strlen(names[kind]) + 1;

	if (kind < 0 || ids->id[kind][0] || len == skip || len - skip >= IDS_ONE_MAX)
		return false;
	memcpy(ids->id[kind], word + skip, len - skip);
	return true;
}

bool ids_parse(const char *text, struct ids *ret_ids)
{
	struct ids ids = {0};

	if (!*text)
		return false;
	for (size_t len; strcmp(text, "none") != 0 && *text; text += len + (text[len] == ' ')) {
		len = strcspn(text, " ");
		if (!parse_one(text, len, &ids))
			return false;
	}
	if (!ids_valid(&ids))
		return false;
	*ret_ids = ids;
	return true;
}
