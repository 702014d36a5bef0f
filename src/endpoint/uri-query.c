/* SPDX-License-Identifier: MIT */
#include "endpoint/uri-query.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "endpoint/uri-parts.h"

enum param {
	PARAM_SOCKET,
	PARAM_TLS_TYPE,
	PARAM_TLS_HOSTNAME,
	PARAM_TLS_VERIFY_PEER,
	PARAM_TLS_CERTIFICATES,
	PARAM_TLS_PSK_FILE,
};

static const char *const params[] = {
    [PARAM_SOCKET] = "socket",
    [PARAM_TLS_TYPE] = "tls-type",
    [PARAM_TLS_HOSTNAME] = "tls-hostname",
    [PARAM_TLS_VERIFY_PEER] = "tls-verify-peer",
    [PARAM_TLS_CERTIFICATES] = "tls-certificates",
    [PARAM_TLS_PSK_FILE] = "tls-psk-file",
};

static const char *const tls_types[] = {
    [TLS_TYPE_ANON] = "anon",
    [TLS_TYPE_X509] = "x509",
    [TLS_TYPE_PSK] = "psk",
};

/* True if a decoded part, which may hold NUL bytes, is this word. */
static bool equals(const struct bytes *b, const char *word)
{
	return b->len == strlen(word) && memcmp(b->p, word, b->len) == 0;
}

static const char *scheme_tail(const struct endpoint *e)
{
	switch (e->type) {
	case ENDPOINT_TCP:
		return "";
	case ENDPOINT_UNIX:
		return "+unix";
	case ENDPOINT_VSOCK:
		return "+vsock";
	}
	return "";
}

static int set_tls_type(struct endpoint *e, const struct bytes *value, struct err *err)
{
	for (enum endpoint_tls_type i = TLS_TYPE_ANON; i <= TLS_TYPE_PSK; i++) {
		if (equals(value, tls_types[i])) {
			e->tls_type = i;
			return 0;
		}
	}
	return part_bad(err, "tls-type must be anon, x509 or psk, not %s",
			quoted(value->p, value->len).text);
}

static int set_tls_hostname(struct endpoint *e, struct bytes *value, struct err *err)
{
	if (!part_is_certified(value->p, value->len))
		return part_bad(err, "tls-hostname must be a host name or an address, not %s",
				quoted(value->p, value->len).text);
	e->tls_hostname = TAKE_PTR(value->p);
	return 0;
}

static int set_verify_peer(struct endpoint *e, const struct bytes *value, struct err *err)
{
	if (!equals(value, "0") && !equals(value, "1"))
		return part_bad(err, "tls-verify-peer must be 0 or 1, not %s",
				quoted(value->p, value->len).text);
	e->tls_verify_peer = value->p[0] == '1';
	return 0;
}

static int set_path(char **field, const char *name, struct bytes *value, struct err *err)
{
	if (!value->len || memchr(value->p, '\0', value->len))
		return part_bad(err, "%s must be a path, not %s", name,
				quoted(value->p, value->len).text);
	*field = TAKE_PTR(value->p);
	return 0;
}

static int set_param(struct endpoint *e, enum param param, struct bytes *value, struct err *err)
{
	switch (param) {
	case PARAM_SOCKET:
		return part_socket(e, value->p, value->len, err);
	case PARAM_TLS_TYPE:
		return set_tls_type(e, value, err);
	case PARAM_TLS_HOSTNAME:
		return set_tls_hostname(e, value, err);
	case PARAM_TLS_VERIFY_PEER:
		return set_verify_peer(e, value, err);
	case PARAM_TLS_CERTIFICATES:
		return set_path(&e->tls_certificates, params[param], value, err);
	case PARAM_TLS_PSK_FILE:
		return set_path(&e->tls_psk_file, params[param], value, err);
	}
	return 0;
}

/* One `name=value` between ampersands; *seen has a bit for each parameter given so far. */
static int parse_param(const char *s, size_t len, struct endpoint *e, unsigned *seen,
		       struct err *err)
{
	const char *sign = memchr(s, '=', len);
	size_t name_len = sign ? (size_t)(sign - s) : len;
	size_t skip = name_len + (sign ? 1 : 0);
	_cleanup_bytes_ struct bytes name = {0};
	_cleanup_bytes_ struct bytes value = {0};
	unsigned i = 0;
	int r;

	r = part_decode(s, name_len, &name, err);
	if (r == 0)
		r = part_decode(s + skip, len - skip, &value, err);
	if (r < 0)
		return r;
	if (name.len > 2 && memcmp(name.p, "x-", 2) == 0)
		return 0;
	while (i < ARRAY_SIZE(params) && !equals(&name, params[i]))
		i++;
	if (i == ARRAY_SIZE(params))
		return part_bad(err, "the URI parameter %s is not known",
				quoted(name.p, name.len).text);
	if (i == PARAM_SOCKET && e->type != ENDPOINT_UNIX)
		return part_bad(err, "the URI parameter socket can be used only with %s+unix://",
				e->tls ? "nbds" : "nbd");
	if (i != PARAM_SOCKET && !e->tls)
		return part_bad(err, "the URI parameter %s needs TLS: use nbds%s://", params[i],
				scheme_tail(e));
	if (*seen & 1U << i)
		return part_bad(err, "the URI parameter %s is given twice", params[i]);
	*seen |= 1U << i;
	return set_param(e, (enum param)i, &value, err);
}

/* Parameters that contradict each other would otherwise weaken what one of them asks for. */
static int check_tls(const struct endpoint *e, unsigned seen, struct err *err)
{
	switch (e->tls_type) {
	case TLS_TYPE_UNSET:
		if (e->tls_certificates && e->tls_psk_file)
			return part_bad(err, "with tls-certificates and tls-psk-file, tls-type "
					     "must say which one to use");
		return 0;
	case TLS_TYPE_ANON:
		if (seen & 1U << PARAM_TLS_VERIFY_PEER && e->tls_verify_peer)
			return part_bad(err, "tls-type=anon cannot verify the server, but "
					     "tls-verify-peer=1 demands it");
		if (e->tls_hostname)
			return part_bad(err, "tls-type=anon cannot verify the server against "
					     "tls-hostname");
		break;
	case TLS_TYPE_X509:
	case TLS_TYPE_PSK:
		break;
	}
	if (e->tls_certificates && e->tls_type != TLS_TYPE_X509)
		return part_bad(err, "tls-certificates cannot be combined with tls-type=%s",
				tls_types[e->tls_type]);
	if (e->tls_psk_file && e->tls_type != TLS_TYPE_PSK)
		return part_bad(err, "tls-psk-file cannot be combined with tls-type=%s",
				tls_types[e->tls_type]);
	return 0;
}

int query_parse(const char *query, size_t len, struct endpoint *e, struct err *err)
{
	const char *s = query ? query : "";
	const char *end = s + len;
	unsigned seen = 0;

	while (s < end) {
		const char *next = memchr(s, '&', (size_t)(end - s));
		size_t n = (size_t)((next ? next : end) - s);
		int r = n ? parse_param(s, n, e, &seen, err) : 0;

		if (r < 0)
			return r;
		s += n + 1;
	}
	if (e->type == ENDPOINT_UNIX && !e->path)
		return part_bad(err, "the URI names no socket: %s+unix:///EXPORT?socket=PATH",
				e->tls ? "nbds" : "nbd");
	return check_tls(e, seen, err);
}
