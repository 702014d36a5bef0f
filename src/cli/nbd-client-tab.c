/* SPDX-License-Identifier: MIT */
/* nbd-client with a device as its only word: the device's line of nbdtab(5). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/nbd-client-words.h"
#include "cli/nbdtab.h"
#include "cli/table.h"
#include "endpoint/uri-parts.h"
#include "kernel/device.h"

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
	if (def && def->value == VALUE_NONE)
		return nbd_client_add(c, err, "--%s", def->name);
	return nbd_client_add(c, err, "--%.*s=%s", (int)len, line, value);
}

static int add_entry(struct nbd_client *c, const struct nbdtab *tab, char *text, struct err *err)
{
	_cleanup_free_ char *host = NULL;
	unsigned long timeout = 0;
	char *save = NULL;
	int r = 0;

	for (char *line = strtok_r(text, "\n", &save); r == 0 && line;
	     line = strtok_r(NULL, "\n", &save))
		r = add_line(c, tab, line, &host, &timeout, err);
	if (r == 0)
		r = nbd_client_add_trust(c, err);
	if (r == 0 && !tab->persist && !nbd_client_has(c, "--dead-timeout="))
		r = nbd_client_add_impatience(c, timeout, err);
	if (r == 0)
		r = nbd_client_add(c, err, "nbd%d", tab->index);
	return r < 0 || !host ? r : nbd_client_add(c, err, "%s", host);
}

static void ignore_note(const char *sentence, void *arg)
{
	(void)sentence;
	(void)arg;
}

/* `line` has len bytes. 1: it is of another device, or of none. */
static int try_line(struct nbd_client *c, int index, char *line, size_t len, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct nbdtab tab = {.note = ignore_note};
	bool whole = strlen(line) == len;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int r;

	if (!f)
		return part_no_memory(err);
	r = nbdtab_convert(&tab, line, f, err);
	fclose(f);
	if (tab.index != index)
		return 1;
	if (!whole)
		return err_set(err, ERR_FAILED, EINVAL, "the line contains a NUL byte");
	return r < 0 ? r : add_entry(c, &tab, text, err);
}

int nbd_client_add_from_nbdtab(struct nbd_client *c, const char *nbdtab, const char *device,
			       struct err *err)
{
	_cleanup_file_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int index, r = device_parse(device, "", &index, err);

	if (r < 0)
		return r;
	f = fopen(nbdtab, "re");
	if (!f && errno != ENOENT)
		return err_errno(err, ERR_FAILED, errno, "cannot read %s", nbdtab);
	for (unsigned n = 1; f && (len = getline(&line, &size, f)) >= 0; n++) {
		if (len && line[len - 1] == '\n')
			line[--len] = '\0';
		r = try_line(c, index, line, (size_t)len, err);
		if (r < 0)
			err_prefix(err, "%s:%u: ", nbdtab, n);
		if (r <= 0)
			return r;
	}
	/* What could not be read may name another server than a configuration file does. */
	if (f && !feof(f))
		return err_errno(err, ERR_FAILED, errno, "cannot read %s", nbdtab);
	return nbd_client_add(c, err, "nbd%d", index);
}
