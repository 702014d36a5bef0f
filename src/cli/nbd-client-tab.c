/* SPDX-License-Identifier: MIT */
/* nbd-client with a device as its only word: the device's line of nbdtab(5). */
#include <errno.h>
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

/* 1: the line is of another device. */
static int try_line(struct nbd_client *c, int index, char *line, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct nbdtab tab = {.note = ignore_note};
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int r;

	if (!f)
		return part_no_memory(err);
	r = nbdtab_convert(&tab, line, f, err);
	fclose(f);
	if (tab.index != index)
		return 1;
	return r < 0 ? r : add_entry(c, &tab, text, err);
}

int nbd_client_add_from_nbdtab(struct nbd_client *c, const char *nbdtab, const char *device,
			       struct err *err)
{
	_cleanup_file_ FILE *f = fopen(nbdtab, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int index, r = device_parse(device, "", &index, err);

	if (r < 0)
		return r;
	for (unsigned n = 1; f && getline(&line, &size, f) >= 0; n++) {
		line[strcspn(line, "\n")] = '\0';
		r = try_line(c, index, line, err);
		if (r < 0)
			err_prefix(err, "%s:%u: ", nbdtab, n);
		if (r <= 0)
			return r;
	}
	return nbd_client_add(c, err, "nbd%d", index);
}
