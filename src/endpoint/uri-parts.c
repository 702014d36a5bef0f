/* SPDX-License-Identifier: MIT */
#include "endpoint/uri-parts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "nbd/export.h"
#include "endpoint/uri-library.h"

#define QUOTED_MAX    64  /* input bytes; at worst four characters each, quotes and dots */
#define HOST_MAX      253 /* RFC 1035: 255 bytes on the wire */
#define UNIX_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path))

struct quoted quoted(const void *bytes, size_t len)
{
	struct quoted q;
	struct text t;

	text_init(&t, q.text, sizeof(q.text));
	text_quote(&t, bytes, len, QUOTED_MAX);
	return q;
}

struct quoted quoted_str(const char *s)
{
	return quoted(s, strlen(s));
}

int part_no_memory(struct err *err)
{
	return err_set(err, ERR_FAILED, ENOMEM, "out of memory");
}

char *part_copy(const char *bytes, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

int part_decode(const char *s, size_t len, struct bytes *ret_bytes, struct err *err)
{
	struct uri_library library;
	int ret = uri_library_load(&library, err);
	char *p;

	if (ret < 0)
		return ret;
	p = part_copy(s, len);
	if (!p)
		return part_no_memory(err);
	ret_bytes->len = (size_t)(library.unescape(p, URI_FALSE, URI_BR_DONT_TOUCH) - p);
	ret_bytes->p = p;
	return 0;
}

static int store(char **field, const char *bytes, size_t len, struct err *err)
{
	char *copy = part_copy(bytes, len);

	if (!copy)
		return part_no_memory(err);
	free(*field);
	*field = copy;
	return 0;
}

int part_number(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	uint64_t v = 0;
	bool over = false;

	if (!len)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(unsigned char)s[i] - '0';

		if (digit > 9)
			return -EINVAL;
		over = over || v > (UINT64_MAX - digit) / 10;
		v = v * 10 + digit;
	}
	if (over || v < min || v > max)
		return -ERANGE;
	*ret_number = v;
	return 0;
}

bool part_printable(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	uint32_t c;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_decode(p + i, len - i, &c);
		if (n == 0 || utf8_is_control(c))
			return false;
	}
	return true;
}

bool part_is_name(const char *s, size_t len)
{
	if (!len || len > HOST_MAX || s[0] == '-' || s[0] == '.' || !part_printable(s, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		/* Underscores are outside RFC 952 but in use; the resolver handles UTF-8. */
		if (c < 0x80 && !isalnum(c) && !strchr("-._", c))
			return false;
		if (c == '.' && i && s[i - 1] == '.')
			return false;
	}
	return true;
}

bool part_is_certified(const char *s, size_t len)
{
	struct in6_addr any;

	/* An IPv4 address looks like a name. */
	return part_is_name(s, len) || (strlen(s) == len && inet_pton(AF_INET6, s, &any) == 1);
}

/*
 * Resolvers read "1", "127.1" and the like as IPv4 addresses of an older notation, which is
 * certainly a mistake in a server's name. A name's last label is never a number (RFC 3696).
 */
static bool looks_numeric(const char *s)
{
	const char *last = strrchr(s, '.');

	last = last ? last + 1 : s;
	if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X'))
		return true;
	return *last && strspn(last, "0123456789") == strlen(last);
}

int part_host(struct endpoint *e, const char *s, size_t len, struct err *err)
{
	_cleanup_free_ char *host = NULL;
	struct in_addr in;

	if (!part_is_name(s, len))
		return part_bad(err, "%s is not a host name or an address", quoted(s, len).text);
	host = part_copy(s, len);
	if (!host)
		return part_no_memory(err);
	for (char *p = host; *p; p++)
		*p = (unsigned char)*p < 0x80 ? (char)tolower((unsigned char)*p) : *p;
	if (looks_numeric(host) && inet_pton(AF_INET, host, &in) != 1)
		return part_bad(err, "%s is not an IPv4 address of four numbers from 0 to 255",
				quoted(s, len).text);
	free(e->host);
	e->host = TAKE_PTR(host);
	return 0;
}

/*
 * The kernel's rule for an interface name, without characters that would need quoting; or an index.
 */
static bool is_scope(const char *s)
{
	size_t len = strlen(s);

	if (!len || len >= IFNAMSIZ)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)s[i]) || strchr("/:%[]", s[i]))
			return false;
	return true;
}

int part_ipv6(struct endpoint *e, const char *s, size_t len, struct err *err)
{
	_cleanup_free_ char *copy = part_copy(s, len);
	char host[INET6_ADDRSTRLEN + 1 + IFNAMSIZ];
	struct in6_addr in6;
	char *scope;

	if (!copy)
		return part_no_memory(err);
	scope = strchr(copy, '%');
	if (scope)
		*scope++ = '\0';
	if (strlen(copy) + (scope ? strlen(scope) + 1 : 0) != len ||
	    inet_pton(AF_INET6, copy, &in6) != 1)
		return part_bad(err, "%s is not an IPv6 address", quoted(s, len).text);
	if (scope && !is_scope(scope))
		return part_bad(err, "%s is not the name of a network interface",
				quoted_str(scope).text);
	inet_ntop(AF_INET6, &in6, host, INET6_ADDRSTRLEN);
	if (scope) {
		strcat(host, "%");
		strcat(host, scope);
	}
	return store(&e->host, host, strlen(host), err);
}

int part_port(struct endpoint *e, const char *s, size_t len, struct err *err)
{
	uint64_t port;

	if (part_number(s, len, 1, UINT16_MAX, &port) != 0)
		return part_bad(err, "the port must be a number from 1 to 65535, not %s",
				quoted(s, len).text);
	e->port = (uint16_t)port;
	return 0;
}

int part_socket(struct endpoint *e, const char *s, size_t len, struct err *err)
{
	bool abstract = len > 0 && s[0] == '\0';
	int r;

	if (!len)
		return part_bad(err, "the path of the Unix socket is empty");
	if (len == 1 && abstract)
		return part_bad(err, "the name of the abstract Unix socket is empty");
	if (!abstract && memchr(s, '\0', len))
		return part_bad(err, "the path of the Unix socket, %s, contains a NUL byte",
				quoted(s, len).text);
	/* A path needs its terminator; an abstract name is as long as it is (unix(7)). */
	if (len > UNIX_PATH_MAX - !abstract)
		return part_bad(err, "the path of the Unix socket has %zu bytes; %zu are possible",
				len, UNIX_PATH_MAX - !abstract);
	r = store(&e->path, s, len, err);
	if (r == 0)
		e->path_len = len;
	return r;
}

int part_export(struct endpoint *e, const char *s, size_t len, struct err *err)
{
	size_t n;

	if (len > NBD_STRING_MAX)
		return part_bad(err, "the export name has %zu bytes; the protocol allows %d", len,
				NBD_STRING_MAX);
	for (size_t i = 0; i < len; i += n) {
		n = utf8_length((const uint8_t *)s + i, len - i);
		if (n == 0)
			return part_bad(err, "the export name %s is not valid UTF-8",
					quoted(s, len).text);
		if (s[i] == '\0')
			return part_bad(err, "the export name %s contains a NUL byte",
					quoted(s, len).text);
	}
	return store(&e->export_name, s, len, err);
}
