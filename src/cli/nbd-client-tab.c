/* SPDX-License-Identifier: MIT */
/*
 * nbd-client with a device, but no host: the device's line of nbdtab(5).
 *
 * nbd-client itself lets the line win over what was typed, and forgets everything that was typed,
 * TLS too, if another device's line comes first. Here typed words win, and none is forgotten.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/nbd-client-words.h"
#include "cli/nbdtab.h"
#include "cli/table.h"
#include "endpoint/uri-parts.h"
#include "kernel/device.h"

static bool is_typed(const struct nbd_client *c, const char *name, size_t len, bool has_value)
{
	char option[64];

	snprintf(option, sizeof(option), "--%.*s%s", (int)len, name, has_value ? "=" : "");
	return nbd_client_has(c, option);
}

/* A line of a configuration file that nbdtab_convert() wrote. */
static int add_line(struct nbd_client *c, const struct nbdtab *tab, const char *line,
		    char **ret_host, unsigned long *ret_timeout, struct err *err)
{
	const char *equals = strstr(line, " = ");
	const char *value = equals ? equals + 3 : "";
	const struct option_def *def;
	size_t len = equals ? (size_t)(equals - line) : 0;

	if (line[0] == '#' || !equals)
		return 0;
	if (len == strlen("target") && strncmp(line, "target", len) == 0) {
		*ret_host = strdup(value);
		return *ret_host ? 0 : part_no_memory(err);
	}
	if (tab->impatient && len == strlen("dead-timeout") &&
	    strncmp(line, "dead-timeout", len) == 0)
		return nbd_client_number("timeout", value, ret_timeout, err);
	def = option_by_name(line, len);
	if (is_typed(c, line, len, !def || def->value != VALUE_NONE))
		return 0;
	/* The file of a key that was typed replaces this one, too. */
	if (tab->key_is_cert && def && strcmp(def->name, "tls-cert") == 0)
		return 0;
	if (def && def->value == VALUE_NONE)
		return nbd_client_add(c, err, "--%s", def->name);
	return nbd_client_add(c, err, "--%.*s=%s", (int)len, line, value);
}

static int add_entry(struct nbd_client *c, const struct nbdtab *tab, char *text,
		     const struct nbd_client_typed *typed, struct err *err)
{
	_cleanup_free_ char *host = NULL;
	unsigned long timeout = 0;
	char *save = NULL;
	int r = 0;

	for (char *line = strtok_r(text, "\n", &save); r == 0 && line;
	     line = strtok_r(NULL, "\n", &save))
		r = add_line(c, tab, line, &host, &timeout, err);
	if (r == 0)
		r = nbd_client_complete_tls(c, err);
	if (r == 0 && !host && nbd_client_has(c, "--port="))
		r = part_bad(err, "a port was given, and the server is a Unix socket, which has "
				  "none");
	if (r == 0 && !tab->persist && !typed->persist && !nbd_client_has(c, "--dead-timeout="))
		r = nbd_client_add_impatience(c, typed->timeout ? typed->timeout : timeout, err);
	if (r == 0)
		r = nbd_client_add(c, err, "nbd%d", tab->index);
	return r < 0 || !host ? r : nbd_client_add(c, err, "%s", host);
}

/* What nbdtab_convert() notes of a line. */
struct notes {
	const struct nbdtab *tab;
	unsigned lost; /* what tab->lost was at the note before */
	struct text text;
	char buf[sizeof(((struct nbd_client *)NULL)->warning)];
};

/* Keeps only what nbd-client warns of, too: options that it does not know. */
static void keep_note(const char *sentence, void *arg)
{
	struct notes *n = arg;

	if (n->tab->lost == n->lost)
		return;
	n->lost = n->tab->lost;
	if (n->text.len)
		text_str(&n->text, "; ");
	text_str(&n->text, sentence);
}

/* `line` has len bytes. 1: it is of another device, or of none. */
static int try_line(struct nbd_client *c, int index, char *line, size_t len,
		    const struct nbd_client_typed *typed, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct notes notes = {.lost = 0};
	struct nbdtab tab = {.note = keep_note, .arg = &notes};
	bool whole = strlen(line) == len;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int r;

	if (!f)
		return part_no_memory(err);
	notes.tab = &tab;
	text_init(&notes.text, notes.buf, sizeof(notes.buf));
	r = nbdtab_convert(&tab, line, f, err);
	fclose(f);
	if (tab.index != index)
		return 1;
	if (!whole)
		return err_set(err, ERR_FAILED, EINVAL, "the line contains a NUL byte");
	if (r < 0)
		return r;
	memcpy(c->warning, notes.buf, sizeof(c->warning));
	return add_entry(c, &tab, text, typed, err);
}

/* A file of our own has all of ours, and what was typed wins over it by itself. */
static int add_configured(struct nbd_client *c, const struct nbd_client_typed *typed, int index,
			  struct err *err)
{
	int r = 0;

	if (typed->timeout && !typed->persist && !nbd_client_has(c, "--dead-timeout="))
		r = nbd_client_add_impatience(c, typed->timeout, err);
	return r < 0 ? r : nbd_client_add(c, err, "nbd%d", index);
}

int nbd_client_add_from_nbdtab(struct nbd_client *c, const char *nbdtab,
			       const struct nbd_client_typed *typed, struct err *err)
{
	_cleanup_file_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int index, r = device_parse(typed->device, "", &index, err);

	if (r < 0)
		return r;
	f = fopen(nbdtab, "re");
	if (!f && errno != ENOENT)
		return err_errno(err, ERR_FAILED, errno, "cannot read %s", nbdtab);
	for (unsigned n = 1; f && (len = getline(&line, &size, f)) >= 0; n++) {
		if (len && line[len - 1] == '\n')
			line[--len] = '\0';
		r = try_line(c, index, line, (size_t)len, typed, err);
		if (r < 0)
			err_prefix(err, "%s:%u: ", nbdtab, n);
		if (r <= 0)
			return r;
	}
	/* What could not be read may name another server than a configuration file does. */
	if (f && !feof(f))
		return err_errno(err, ERR_FAILED, errno, "cannot read %s", nbdtab);
	return add_configured(c, typed, index, err);
}
