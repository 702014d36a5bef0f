/* SPDX-License-Identifier: MIT */
#include "base/redact.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static int add(struct redact *r, const char *name, const char *mark)
{
	if (r->n == REDACT_MAX)
		return -ENOMEM;
	r->item[r->n].name = strdup(name);
	if (!r->item[r->n].name)
		return -ENOMEM;
	snprintf(r->item[r->n].mark, sizeof(r->item[0].mark), "%s", mark);
	r->n++;
	return 0;
}

int redact_add(struct redact *r, const char *kind, const char *name)
{
	char mark[sizeof(r->item[0].mark)];
	unsigned number = 1;
	size_t len = strlen(kind);

	if (!name[0])
		return 0;
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->item[i].name, name) == 0)
			return 0;
		/* "<host 1>" is of the kind "host". */
		number += !r->item[i].form && strncmp(r->item[i].mark + 1, kind, len) == 0 &&
			  r->item[i].mark[1 + len] == ' ';
	}
	snprintf(mark, sizeof(mark), "<%.12s %u>", kind, number);
	return add(r, name, mark);
}

int redact_add_form(struct redact *r, const char *name, const char *form)
{
	const char *mark = NULL;
	int ret;

	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->item[i].name, form) == 0)
			return 0;
		if (strcmp(r->item[i].name, name) == 0)
			mark = r->item[i].mark;
	}
	if (!mark || !form[0])
		return 0;
	ret = add(r, form, mark);
	if (ret == 0)
		r->item[r->n - 1].form = true;
	return ret;
}

/* A name of one letter is not to spoil every word that has it. */
static bool ends_inside_word(const char *before, const char *at, size_t len)
{
	return (before < at && isalnum((unsigned char)at[-1]) && isalnum((unsigned char)at[0])) ||
	       (isalnum((unsigned char)at[len - 1]) && isalnum((unsigned char)at[len]));
}

static bool in_path(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("/._-+%~@=#$", c)) ||
	       (unsigned char)c >= 0x80;
}

/* They tell what has happened, and no name that somebody has chosen. */
static bool is_ours(const char *path)
{
	static const char *const ours[] = {"/dev/nbd", "/dev/disk/by-nbd/", "/proc/", "/sys/",
					   "/run/nbd-attach/"};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strncmp(path, ours[i], strlen(ours[i])) == 0)
			return true;
	return false;
}

/*
 * The length of the absolute path that begins at p, or 0. In quotes it is all that they enclose,
 * but not beyond the line.
 */
static size_t path_at(const char *text, const char *p)
{
	char before = text < p ? p[-1] : ' ';
	size_t len = 1;

	if (*p != '/' || p[1] == '/' || !in_path(p[1]) || in_path(before) != (before == '=') ||
	    is_ours(p))
		return 0;
	if (before == '\'' || before == '"') {
		size_t quoted = strcspn(p, before == '"' ? "\"\n" : "'\n");

		if (p[quoted] == before)
			return quoted;
	}
	while (in_path(p[len]))
		len++;
	while (p[len - 1] == '.')
		len--;
	return len;
}

/* The length of the IP address that begins at p, or 0: `192.0.2.1`, also before `:PORT`;
 * `2001:db8::1`. */
static size_t address_at(const char *text, const char *p)
{
	static const struct {
		int family;
		const char *letters;
	} kind[] = {{AF_INET6, "0123456789abcdefABCDEF:."}, {AF_INET, "0123456789."}};
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr any;

	if (text < p && (isalnum((unsigned char)p[-1]) || strchr(".:", p[-1])) &&
	    !(p[-1] == ':' && text + 1 < p && isalpha((unsigned char)p[-2])))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(kind); i++) {
		size_t len = strspn(p, kind[i].letters);

		/* The dot or the colon after it belongs to the sentence. */
		while (len && (p[len - 1] == '.' || (p[len - 1] == ':' && p[len] == ' ')))
			len--;
		if (len < 3 || len >= sizeof(copy) || isalnum((unsigned char)p[len]))
			continue;
		memcpy(copy, p, len);
		copy[len] = '\0';
		if (inet_pton(kind[i].family, copy, &any) == 1)
			return len;
	}
	return 0;
}

/* The length of a host's name before `:PORT`, or 0. Without a dot, the port has to look like one.
 */
static size_t host_at(const char *text, const char *p)
{
	const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *rest = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	size_t len = strspn(p, rest), port;

	if (!len || p[len] != ':' || strcspn(p, letters) >= len ||
	    (text < p && strchr(rest, p[-1])))
		return 0;
	port = strspn(p + len + 1, "0123456789");
	if (port > 5 || port < (memchr(p, '.', len) ? 2 : 4) ||
	    isalnum((unsigned char)p[len + 1 + port]))
		return 0;
	return len;
}

#define CUT_MIN 16 /* bytes: a shorter beginning may be anything */

/* How many bytes at p are this name, or what is left of it where a message was too long; or 0. */
static size_t name_at(const char *text, const char *p, const char *name)
{
	size_t len = 0;
	bool whole;

	while (name[len] && p[len] == name[len])
		len++;
	whole = name[len] == '\0';
	if (!whole && (len < CUT_MIN || (p[len] && strncmp(p + len, "...", 3) != 0)))
		return 0;
	return ends_inside_word(text, p, len) ? 0 : len;
}

/* What looks like a name of this kind; the length, or 0. */
static const struct {
	size_t (*at)(const char *text, const char *p);
	const char *mark;
} looks[] = {{path_at, "<path>"}, {address_at, "<address>"}, {host_at, "<host>"}};

void redact_print(const struct redact *r, const char *text, FILE *out)
{
	for (const char *p = text; *p;) {
		const char *mark = NULL;
		size_t longest = 0;

		for (size_t i = 0; !longest && i < ARRAY_SIZE(looks); i++) {
			longest = looks[i].at(text, p);
			mark = longest ? looks[i].mark : NULL;
		}
		for (size_t i = 0; i < r->n; i++) {
			size_t len = name_at(text, p, r->item[i].name);

			if (!len || len < longest)
				continue;
			longest = len;
			mark = r->item[i].mark;
		}
		if (mark)
			fputs(mark, out);
		else
			fputc(*p, out);
		p += mark ? longest : 1;
	}
}

void redact_done(struct redact *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->item[i].name);
	r->n = 0;
}
