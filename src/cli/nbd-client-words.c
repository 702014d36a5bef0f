/* SPDX-License-Identifier: MIT */
#include "cli/nbd-client-words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "endpoint/uri-parts.h"

bool nbd_client_is_named(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *name = slash ? slash + 1 : argv0 ? argv0 : "";

	return strcmp(name + (name[0] == '@'), "nbd-client") == 0;
}

void nbd_client_done(struct nbd_client *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->word[i]);
	c->n = 0;
}

int nbd_client_add(struct nbd_client *c, struct err *err, const char *format, ...)
{
	va_list args;
	int len;

	if (c->n == NBD_CLIENT_WORDS)
		return part_bad(err, "more than %d words", NBD_CLIENT_WORDS);
	va_start(args, format);
	len = vasprintf(&c->word[c->n], format, args);
	va_end(args);
	if (len < 0)
		return part_no_memory(err);
	c->word[++c->n] = NULL;
	return 0;
}

int nbd_client_number(const char *option, const char *text, unsigned long *ret, struct err *err)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 0);
	if (errno || end == text || *end || text[0] == '-')
		return part_bad(err, "-%s: %s is not a number", option, quoted_str(text).text);
	return 0;
}

int nbd_client_add_impatience(struct nbd_client *c, unsigned long timeout, struct err *err)
{
	unsigned long seconds = timeout ? timeout : NBD_CLIENT_DEAD_TIMEOUT;

	snprintf(
	    c->note, sizeof(c->note),
	    "without -persist, I/O fails when the server has been gone for %lu seconds; with "
	    "-persist, it waits for %d seconds; nbd-attach keeps trying to reconnect in both cases",
	    seconds, OPTIONS_DEAD_TIMEOUT);
	return nbd_client_add(c, err, "--dead-timeout=%lu", seconds);
}

int nbd_client_take_block_size(struct nbd_client *c, const char *value, struct err *err)
{
	unsigned long n;

	if (nbd_client_number("block-size", value, &n, err) < 0)
		return -EINVAL;
	if (n == 0 || n % 512)
		return part_bad(err, "-block-size: %lu is not a multiple of 512", n);
	return nbd_client_add(c, err, "--block-size=%lu", n);
}

int nbd_client_take_size(struct nbd_client *c, const char *value, struct err *err)
{
	unsigned long n;

	if (nbd_client_number("size", value, &n, err) < 0)
		return -EINVAL;
	c->size = n;
	return n ? 0 : part_bad(err, "-size: the size must not be 0");
}

int nbd_client_take_connections(struct nbd_client *c, const char *value, struct err *err)
{
	unsigned long n;

	if (nbd_client_number("connections", value, &n, err) < 0)
		return -EINVAL;
	return nbd_client_add(c, err, "--connections=%lu", n);
}

/* `option` ends with `=`. NULL: it is not there. */
static const char *value_of(const struct nbd_client *c, const char *option)
{
	size_t len = strlen(option);

	for (size_t i = 0; i < c->n; i++)
		if (strncmp(c->word[i], option, len) == 0)
			return c->word[i] + len;
	return NULL;
}

bool nbd_client_has(const struct nbd_client *c, const char *option)
{
	if (option[strlen(option) - 1] == '=')
		return value_of(c, option);
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->word[i], option) == 0)
			return true;
	return false;
}

int nbd_client_complete_tls(struct nbd_client *c, struct err *err)
{
	const char *key = value_of(c, "--tls-key=");
	int r = 0;

	if (key && !nbd_client_has(c, "--tls-cert="))
		r = nbd_client_add(c, err, "--tls-cert=%s", key);
	if (r < 0 || !nbd_client_has(c, "--tls") || nbd_client_has(c, "--tls-ca="))
		return r;
	return nbd_client_add(c, err, "--tls-verify-peer=0");
}
