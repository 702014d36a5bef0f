/* SPDX-License-Identifier: MIT */
#include "endpoint/uri.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "endpoint/uri-library.h"
#include "endpoint/uri-parts.h"
#include "endpoint/uri-query.h"

#define VSOCK_CID_HOST 2 /* vsock(7): VMADDR_CID_HOST, which is what libnbd assumes */

#define SCHEMES "nbd:// nbds:// nbd+unix:// nbds+unix:// nbd+vsock:// or nbds+vsock://"

struct scheme {
	const char *name;
	enum endpoint_type type;
	bool tls;
};

static const struct scheme schemes[] = {
    {.name = "nbd", .type = ENDPOINT_TCP, .tls = false},
    {.name = "nbds", .type = ENDPOINT_TCP, .tls = true},
    {.name = "nbd+unix", .type = ENDPOINT_UNIX, .tls = false},
    {.name = "nbds+unix", .type = ENDPOINT_UNIX, .tls = true},
    {.name = "nbd+vsock", .type = ENDPOINT_VSOCK, .tls = false},
    {.name = "nbds+vsock", .type = ENDPOINT_VSOCK, .tls = true},
};

/* One URI while it is taken apart. */
struct parser {
	const struct scheme *scheme;
	struct endpoint endpoint;
	char *scope; /* eth0 of [fe80::1%25eth0], which uriparser does not know; or NULL */
};

static size_t range_len(const UriTextRangeA *range)
{
	return (size_t)(range->afterLast - range->first);
}

/* The text in front of the colon; *ret_rest is what follows it. */
static int parse_scheme(struct parser *p, const char *text, const char **ret_rest, struct err *err)
{
	size_t len = strcspn(text, ":/?#");

	if (text[len] != ':')
		return part_bad(err, "%s is not a URI of the form " SCHEMES, quoted_str(text).text);
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (strlen(schemes[i].name) != len || strncasecmp(schemes[i].name, text, len) != 0)
			continue;
		p->scheme = &schemes[i];
		p->endpoint.type = schemes[i].type;
		p->endpoint.tls = schemes[i].tls;
		*ret_rest = text + len + 1;
		return 0;
	}
	return part_bad(err, "the scheme %s is not one of " SCHEMES, quoted(text, len).text);
}

/*
 * RFC 3986 allows few characters, and for many mistakes uriparser's error position is after the
 * authority, so the common mistakes are detected here.
 */
static int check_characters(const char *text, struct err *err)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	char encoded[3 * 4 + 1] = "";
	size_t n;

	for (const char *s = text; *s; s++) {
		if (*s == '%' && (strspn(s + 1, hex) < 1 || strspn(s + 2, hex) < 1))
			return part_bad(err,
					"%s is not a percent-encoded byte (a percent sign itself "
					"is %%25)",
					quoted(s, strnlen(s, 3)).text);
		if (*s > ' ' && *s < 0x7f && !strchr("\"<>\\^`{|}", *s))
			continue;
		n = utf8_length((const uint8_t *)s, strnlen(s, 4));
		n = n ? n : 1;
		for (size_t i = 0; i < n; i++)
			snprintf(encoded + 3 * i, 4, "%%%02X", (unsigned char)s[i]);
		return part_bad(err, "byte %zu of the URI, %s, must be percent-encoded: %s",
				(size_t)(s - text) + 1, quoted(s, n).text, encoded);
	}
	return 0;
}

/*
 * Removes the scope from an IPv6 literal in brackets, if there is one: `text` is shortened in place
 * and p->scope set. RFC 6874: the percent sign that leads it is written %25.
 */
static int cut_scope(struct parser *p, char *rest, struct err *err)
{
	_cleanup_bytes_ struct bytes scope = {0};
	char *end, *percent, *close;
	int r;

	if (strncmp(rest, "//", 2) != 0)
		return 0;
	end = rest + 2 + strcspn(rest + 2, "/?#");
	rest = memchr(rest, '[', (size_t)(end - rest));
	close = rest ? memchr(rest, ']', (size_t)(end - rest)) : NULL;
	percent = close ? memchr(rest, '%', (size_t)(close - rest)) : NULL;
	if (!percent)
		return 0;
	if (strncmp(percent, "%25", 3) != 0)
		return part_bad(err, "the scope of an IPv6 address in a URI starts with %%25: %s",
				quoted(rest, (size_t)(close - rest) + 1).text);
	r = part_decode(percent + 3, (size_t)(close - percent - 3), &scope, err);
	if (r < 0)
		return r;
	if (memchr(scope.p, '\0', scope.len))
		return part_bad(err, "%s is not the name of a network interface",
				quoted(scope.p, scope.len).text);
	p->scope = TAKE_PTR(scope.p);
	memmove(percent, close, strlen(close) + 1);
	return 0;
}

static int parse_user(struct parser *p, const UriUriA *uri, struct err *err)
{
	_cleanup_bytes_ struct bytes user = {0};
	int r;

	if (!uri->userInfo.first)
		return 0;
	if (memchr(uri->userInfo.first, ':', range_len(&uri->userInfo)))
		return part_bad(err, "a URI with a password is not accepted: NBD has no passwords, "
				     "and other users could read it");
	if (!p->scheme->tls)
		return part_bad(err, "the user name before @ is for TLS: use nbds%s://",
				p->scheme->name + strlen("nbd"));
	r = part_decode(uri->userInfo.first, range_len(&uri->userInfo), &user, err);
	if (r < 0)
		return r;
	if (!user.len || !part_printable(user.p, user.len))
		return part_bad(err, "%s before @ is not a user name",
				quoted(user.p, user.len).text);
	p->endpoint.tls_username = TAKE_PTR(user.p);
	return 0;
}

static int parse_tcp(struct parser *p, const UriUriA *uri, struct err *err)
{
	_cleanup_bytes_ struct bytes host = {0};
	_cleanup_free_ char *literal = NULL;
	int r;

	if (!uri->hostText.first || !range_len(&uri->hostText))
		return part_bad(err, "the URI names no host: %s://HOST/EXPORT", p->scheme->name);
	if (uri->hostData.ipFuture.first)
		return part_bad(err, "%s is not an IPv6 address",
				quoted(uri->hostText.first, range_len(&uri->hostText)).text);
	r = part_decode(uri->hostText.first, range_len(&uri->hostText), &host, err);
	if (r == 0 && !uri->hostData.ip6)
		r = part_host(&p->endpoint, host.p, host.len, err);
	else if (r == 0 && asprintf(&literal, "%s%s%s", host.p, p->scope ? "%" : "",
				    p->scope ? p->scope : "") < 0)
		r = part_no_memory(err);
	else if (r == 0)
		r = part_ipv6(&p->endpoint, literal, strlen(literal), err);
	/* RFC 3986 section 3.2.3: an empty port is the default. */
	if (r == 0 && uri->portText.first && range_len(&uri->portText))
		r = part_port(&p->endpoint, uri->portText.first, range_len(&uri->portText), err);
	return r;
}

static int parse_vsock(struct parser *p, const UriUriA *uri, struct err *err)
{
	uint64_t v = VSOCK_CID_HOST;

	/* vsock(7): 0 is reserved, 2^32-1 is "any"; the same for the port. */
	if (uri->hostText.first && range_len(&uri->hostText) &&
	    (uri->hostData.ip6 || part_number(uri->hostText.first, range_len(&uri->hostText), 1,
					      UINT32_MAX - 1, &v) != 0))
		return part_bad(err, "the vsock CID must be a number from 1 to 4294967294, not %s",
				quoted(uri->hostText.first, range_len(&uri->hostText)).text);
	p->endpoint.cid = (uint32_t)v;
	v = NBD_DEFAULT_PORT;
	if (uri->portText.first && range_len(&uri->portText) &&
	    part_number(uri->portText.first, range_len(&uri->portText), 1, UINT32_MAX - 1, &v) != 0)
		return part_bad(err, "the vsock port must be a number from 1 to 4294967294, not %s",
				quoted(uri->portText.first, range_len(&uri->portText)).text);
	p->endpoint.vsock_port = (uint32_t)v;
	return 0;
}

static int parse_authority(struct parser *p, const UriUriA *uri, struct err *err)
{
	int r = parse_user(p, uri, err);

	if (r < 0)
		return r;
	switch (p->scheme->type) {
	case ENDPOINT_TCP:
		return parse_tcp(p, uri, err);
	case ENDPOINT_VSOCK:
		return parse_vsock(p, uri, err);
	case ENDPOINT_UNIX:
		break;
	}
	if ((uri->hostText.first && range_len(&uri->hostText)) || uri->portText.first)
		return part_bad(err,
				"a Unix socket has no host and no port: %s:///EXPORT?socket=PATH",
				p->scheme->name);
	return 0;
}

/* uri.md: the path but for its first slash is the export name, other slashes included. */
static int parse_path(struct parser *p, const UriUriA *uri, struct err *err)
{
	_cleanup_bytes_ struct bytes name = {0};
	_cleanup_free_ char *path = NULL;
	size_t len = 0;
	int r;

	for (const UriPathSegmentA *s = uri->pathHead; s; s = s->next)
		len += range_len(&s->text) + 1;
	path = malloc(len + 1);
	if (!path)
		return part_no_memory(err);
	len = 0;
	for (const UriPathSegmentA *s = uri->pathHead; s; s = s->next) {
		memcpy(path + len, s->text.first, range_len(&s->text));
		len += range_len(&s->text);
		if (s->next)
			path[len++] = '/';
	}
	r = part_decode(path, len, &name, err);
	return r == 0 ? part_export(&p->endpoint, name.p, name.len, err) : r;
}

static int parse_parts(struct parser *p, const UriUriA *uri, struct err *err)
{
	int r;

	if (uri->fragment.first)
		return part_bad(err, "a URI of an export has no fragment: write # as %%23");
	if (!uri->hostText.first && !uri->absolutePath)
		return part_bad(err, "the URI must continue with // after the colon: %s://",
				p->scheme->name);
	r = parse_authority(p, uri, err);
	if (r == 0)
		r = parse_path(p, uri, err);
	if (r == 0)
		r = query_parse(uri->query.first, range_len(&uri->query), &p->endpoint, err);
	return r;
}

int uri_parse(const char *text, struct endpoint *ret_endpoint, struct err *err)
{
	_cleanup_free_ char *copy = NULL;
	struct uri_library library;
	struct parser p = {0};
	const char *rest = text;
	UriUriA uri;
	int r;

	if (strlen(text) > URI_TEXT_MAX)
		return part_bad(err, "the URI is longer than %d bytes", URI_TEXT_MAX);
	r = uri_library_load(&library, err);
	if (r < 0)
		return r;
	endpoint_init(&p.endpoint);
	r = parse_scheme(&p, text, &rest, err);
	if (r < 0)
		return r;
	copy = strdup(text);
	if (!copy)
		return part_no_memory(err);
	r = cut_scope(&p, copy + (rest - text), err);
	if (r == 0)
		r = check_characters(text, err);
	if (r < 0) {
		free(p.scope);
		return r;
	}
	switch (library.parse(&uri, copy, NULL)) {
	case URI_SUCCESS:
		r = parse_parts(&p, &uri, err);
		library.free_members(&uri);
		break;
	case URI_ERROR_MALLOC:
		r = part_no_memory(err);
		break;
	default:
		r = part_bad(err,
			     "%s is not a valid URI: look at its host, port (a number) and "
			     "brackets (around an IPv6 address)",
			     quoted_str(text).text);
	}
	free(p.scope);
	if (r < 0) {
		endpoint_done(&p.endpoint);
		return r;
	}
	*ret_endpoint = p.endpoint;
	return 0;
}
