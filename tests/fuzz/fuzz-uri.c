/* SPDX-License-Identifier: MIT */
/*
 * Any text as a URI and as a host. Invariants: a failure does not change the result and gives one
 * printable sentence; a success gives a sound endpoint, whose canonical URI parses to the same
 * endpoint and is a fixpoint.
 */
#include <errno.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "endpoint/uri.h"
#include "fuzz.h"
#include "nbd/export.h"

static void check_printable(const char *s, size_t len)
{
	require(fuzz_printable(s, len, ""));
}

static void check_failure(int r, const struct err *err, const struct endpoint *e)
{
	const uint8_t *untouched = (const uint8_t *)e;
	size_t len = strlen(err->message);

	require(r == -EINVAL && err->kind == ERR_USAGE);
	require(len > 0 && len < ERR_MESSAGE_MAX - 1 && err->message[len - 1] != '.');
	check_printable(err->message, len);
	for (size_t i = 0; i < sizeof(*e); i++)
		require(untouched[i] == 0xa5);
}

static void check_endpoint(const struct endpoint *e)
{
	size_t len = strlen(e->export_name);

	require(len <= NBD_STRING_MAX);
	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_length((const uint8_t *)e->export_name + i, len - i);
		require(n > 0);
	}
	switch (e->type) {
	case ENDPOINT_TCP:
		require(e->host && *e->host && e->port && !e->path);
		check_printable(e->host, strlen(e->host));
		break;
	case ENDPOINT_UNIX:
		require(e->path && e->path_len && !e->host);
		require(e->path_len <= sizeof(((struct sockaddr_un *)NULL)->sun_path));
		require(e->path[0] == '\0' || strlen(e->path) == e->path_len);
		break;
	case ENDPOINT_VSOCK:
		require(e->cid && e->vsock_port && !e->host && !e->path);
		break;
	}
	if (!e->tls)
		require(!e->tls_username && !e->tls_hostname && !e->tls_certificates &&
			!e->tls_psk_file && !e->tls_type && e->tls_verify_peer);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void check_canonical(const struct endpoint *e)
{
	_cleanup_free_ char *uri = endpoint_uri(e), *again = NULL;
	struct endpoint back;

	require(uri);
	for (const char *p = uri; *p; p++)
		require(*p > ' ' && *p < 0x7f);
	require(uri_parse(uri, &back, NULL) == 0);
	require(back.type == e->type && back.tls == e->tls);
	require(back.port == e->port);
	require(back.cid == e->cid && back.vsock_port == e->vsock_port);
	require(same_text(back.host, e->host) && same_text(back.export_name, e->export_name));
	require(back.path_len == e->path_len);
	require(!e->path_len || memcmp(back.path, e->path, e->path_len) == 0);
	again = endpoint_uri(&back);
	require(again && strcmp(again, uri) == 0);
	endpoint_done(&back);
}

static void check(int r, struct endpoint *e, const struct err *err)
{
	char line[300];

	if (r < 0) {
		check_failure(r, err, e);
		return;
	}
	check_endpoint(e);
	check_canonical(e);
	endpoint_describe(e, line, sizeof(line));
	check_printable(line, strlen(line));
	endpoint_done(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(size + 1);
	struct endpoint e;
	struct err err;

	require(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	memset(&e, 0xa5, sizeof(e));
	check(uri_parse(text, &e, &err), &e, &err);
	memset(&e, 0xa5, sizeof(e));
	check(uri_positional(text, NULL, NULL, &e, &err), &e, &err);
	memset(&e, 0xa5, sizeof(e));
	check(uri_unix(text, text, &e, &err), &e, &err);
	return 0;
}
