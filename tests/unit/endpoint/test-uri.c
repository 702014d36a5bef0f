/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* endpoint/uri.h against each rule of uri.md, and each of its errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "endpoint/uri.h"

#define PATH_107                                                                                   \
	"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"a"                                                                                        \
	"aaaaaaaaaaaaaaaaaa"
#define LABEL_60 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"

/* Checks an error: ERR_USAGE, one line, printable, no full stop, and the expected text. */
static void assert_sentence(int r, const struct err *err, const char *says)
{
	size_t len = strlen(err->message);

	assert_int_equal(r, -EINVAL);
	assert_int_equal(err->kind, ERR_USAGE);
	assert_in_range(len, 10, 400);
	assert_int_not_equal(err->message[len - 1], '.');
	for (size_t i = 0; i < len; i++)
		assert_true((unsigned char)err->message[i] >= ' ' && err->message[i] != 0x7f);
	if (!strstr(err->message, says))
		fail_msg("\"%s\" does not say \"%s\"", err->message, says);
}

static void assert_text(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

/* --- correct URIs ------------------------------------------------------------------ */

/* As in struct endpoint; 0 and NULL mean the default. */
struct want {
	enum endpoint_type type;
	const char *host, *path, *export_name;
	uint16_t port;
	uint32_t cid, vsock_port;
	bool tls, unverified;
	enum endpoint_tls_type tls_type;
	const char *tls_hostname, *tls_username, *tls_certificates, *tls_psk_file;
};

struct good {
	const char *uri;
	const char *canonical; /* NULL: the same text */
	struct want want;
};

static const struct good good[] = {
    /* the table in "NBD URI export name" */
    {"nbd://example.com/disk", NULL, {.host = "example.com", .export_name = "disk"}},
    {"nbd+unix:///disk?socket=sock",
     NULL,
     {.type = ENDPOINT_UNIX, .path = "sock", .export_name = "disk"}},
    {"nbd://example.com/", NULL, {.host = "example.com"}},
    {"nbd://example.com", "nbd://example.com/", {.host = "example.com"}},
    {"nbd://example.com//disk", NULL, {.host = "example.com", .export_name = "/disk"}},
    {"nbd://example.com/hello%20world",
     NULL,
     {.host = "example.com", .export_name = "hello world"}},
    {"nbd://example.com:10809/export",
     "nbd://example.com/export",
     {.host = "example.com", .export_name = "export"}},
    {"nbd+unix:///export?socket=nbd.sock",
     NULL,
     {.type = ENDPOINT_UNIX, .path = "nbd.sock", .export_name = "export"}},

    /* export names are free text */
    {"nbd://h/a/b/c", NULL, {.host = "h", .export_name = "a/b/c"}},
    {"nbd://h/a%2Fb", "nbd://h/a/b", {.host = "h", .export_name = "a/b"}},
    {"nbd://h///", NULL, {.host = "h", .export_name = "//"}},
    {"nbd://h/../x/.", NULL, {.host = "h", .export_name = "../x/."}},
    {"nbd://h/a:b@c;d=e,f!g$h'i(j)k*l+m&n",
     "nbd://h/a%3Ab%40c%3Bd%3De%2Cf%21g%24h%27i%28j%29k%2Al%2Bm%26n",
     {.host = "h", .export_name = "a:b@c;d=e,f!g$h'i(j)k*l+m&n"}},
    {"nbd://h/%E2%82%AC%0A%3F%23", NULL, {.host = "h", .export_name = "\xe2\x82\xac\n?#"}},

    /* schemes, in any case (RFC 3986 section 3.1) */
    {"nbds://h/x", NULL, {.host = "h", .export_name = "x", .tls = true}},
    {"NBD://H/X", "nbd://h/X", {.host = "h", .export_name = "X"}},
    {"nbds+unix:///x?socket=/s",
     NULL,
     {.type = ENDPOINT_UNIX, .path = "/s", .export_name = "x", .tls = true}},
    {"nbd+vsock://3:77/x",
     NULL,
     {.type = ENDPOINT_VSOCK, .cid = 3, .vsock_port = 77, .export_name = "x"}},
    {"nbds+vsock://3/", NULL, {.type = ENDPOINT_VSOCK, .cid = 3, .tls = true}},
    {"nbd+vsock:///", "nbd+vsock://2/", {.type = ENDPOINT_VSOCK, .cid = 2}},
    {"nbd+vsock://:5", "nbd+vsock://2:5/", {.type = ENDPOINT_VSOCK, .cid = 2, .vsock_port = 5}},
    {"nbd+vsock://4294967294:4294967294/",
     NULL,
     {.type = ENDPOINT_VSOCK, .cid = 4294967294, .vsock_port = 4294967294}},

    /* hosts and ports */
    {"nbd://h:1/", NULL, {.host = "h", .port = 1}},
    {"nbd://h:65535/", NULL, {.host = "h", .port = 65535}},
    {"nbd://h:/", "nbd://h/", {.host = "h"}},
    {"nbd://h:0080/", "nbd://h:80/", {.host = "h", .port = 80}},
    {"nbd://127.0.0.1/", NULL, {.host = "127.0.0.1"}},
    {"nbd://[::1]/", NULL, {.host = "::1"}},
    {"nbd://[2001:DB8:0:0::1]:9/x",
     "nbd://[2001:db8::1]:9/x",
     {.host = "2001:db8::1", .port = 9, .export_name = "x"}},
    {"nbd://[::ffff:1.2.3.4]/", NULL, {.host = "::ffff:1.2.3.4"}},
    {"nbd://[fe80::1%25eth0]/x", NULL, {.host = "fe80::1%eth0", .export_name = "x"}},
    {"nbd://[fe80::1%253]:5/", NULL, {.host = "fe80::1%3", .port = 5}},
    {"nbd://[fe80::1%25a%2Db.7]/", "nbd://[fe80::1%25a-b.7]/", {.host = "fe80::1%a-b.7"}},
    {"nbds://u@[fe80::1%25eth0]:5/?tls-type=anon",
     "nbds://[fe80::1%25eth0]:5/",
     {.host = "fe80::1%eth0",
      .port = 5,
      .tls = true,
      .tls_username = "u",
      .tls_type = TLS_TYPE_ANON}},
    {"nbd://h%6Fst/", "nbd://host/", {.host = "host"}},
    {"nbd://under_score-7.x./", NULL, {.host = "under_score-7.x."}},
    {"nbd://b%C3%BCcher.example/",
     NULL,
     {.host = "b\xc3\xbc"
	      "cher.example"}},

    /* Unix sockets */
    {"nbd+unix:///?socket=" PATH_107, NULL, {.type = ENDPOINT_UNIX, .path = PATH_107}},
    {"nbd+unix://?socket=/a", "nbd+unix:///?socket=/a", {.type = ENDPOINT_UNIX, .path = "/a"}},
    {"nbd+unix:/x?socket=/a",
     "nbd+unix:///x?socket=/a",
     {.type = ENDPOINT_UNIX, .path = "/a", .export_name = "x"}},
    {"nbd+unix:////x?socket=/a", NULL, {.type = ENDPOINT_UNIX, .path = "/a", .export_name = "/x"}},
    {"nbd+unix:///?socket=a+b%2520%26c=/?",
     "nbd+unix:///?socket=a%2Bb%2520%26c%3D/%3F",
     {.type = ENDPOINT_UNIX, .path = "a+b%20&c=/?"}},
    {"nbd+unix:///?&so%63ket=/a&", "nbd+unix:///?socket=/a", {.type = ENDPOINT_UNIX, .path = "/a"}},
    {"nbd+unix:///?socket=%FF", NULL, {.type = ENDPOINT_UNIX, .path = "\xff"}},

    /* TLS */
    {"nbds://alice@h/x",
     "nbds://h/x",
     {.host = "h", .export_name = "x", .tls = true, .tls_username = "alice"}},
    {"nbds://a%3Ab%40c@h/", "nbds://h/", {.host = "h", .tls = true, .tls_username = "a:b@c"}},
    {"nbds+unix://alice@/?socket=/s&tls-certificates=certs",
     "nbds+unix:///?socket=/s",
     {.type = ENDPOINT_UNIX,
      .path = "/s",
      .tls = true,
      .tls_username = "alice",
      .tls_certificates = "certs"}},
    {"nbds://h/?tls-type=x509&tls-hostname=other.example&tls-verify-peer=0&tls-certificates=/c%20d",
     "nbds://h/",
     {.host = "h",
      .tls = true,
      .tls_type = TLS_TYPE_X509,
      .tls_hostname = "other.example",
      .tls_certificates = "/c d",
      .unverified = true}},
    {"nbds://h/?tls-type=psk&tls-psk-file=/k&tls-verify-peer=1",
     "nbds://h/",
     {.host = "h", .tls = true, .tls_type = TLS_TYPE_PSK, .tls_psk_file = "/k"}},
    {"nbds://h/?tls-psk-file=/k", "nbds://h/", {.host = "h", .tls = true, .tls_psk_file = "/k"}},
    {"nbds+vsock://2/?tls-type=anon&tls-verify-peer=0",
     "nbds+vsock://2/",
     {.type = ENDPOINT_VSOCK,
      .cid = 2,
      .tls = true,
      .tls_type = TLS_TYPE_ANON,
      .unverified = true}},

    /* other parameters */
    {"nbd://h/x?", "nbd://h/x", {.host = "h", .export_name = "x"}},
    {"nbd://h/?x-a=b&x-a=c&x-b", "nbd://h/", {.host = "h"}},
};

static void assert_endpoint(const struct endpoint *got, const struct want *want)
{
	assert_int_equal(got->type, want->type);
	assert_text(got->host, want->host);
	assert_int_equal(got->port, want->port ? want->port : NBD_DEFAULT_PORT);
	assert_text(got->path, want->path);
	assert_int_equal(got->path_len, want->path ? strlen(want->path) : 0);
	assert_int_equal(got->cid, want->cid);
	assert_int_equal(got->vsock_port, want->vsock_port ? want->vsock_port : NBD_DEFAULT_PORT);
	assert_text(got->export_name, want->export_name ? want->export_name : "");
	assert_int_equal(got->tls, want->tls);
	assert_int_equal(got->tls_type, want->tls_type);
	assert_int_equal(got->tls_verify_peer, !want->unverified);
	assert_text(got->tls_hostname, want->tls_hostname);
	assert_text(got->tls_username, want->tls_username);
	assert_text(got->tls_certificates, want->tls_certificates);
	assert_text(got->tls_psk_file, want->tls_psk_file);
}

/* Parses, compares, and checks that the canonical form parses to itself. */
static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *canonical = NULL, *again = NULL;
		struct endpoint e;
		struct err err;

		print_message("%s\n", good[i].uri);
		if (uri_parse(good[i].uri, &e, &err) != 0)
			fail_msg("%s", err.message);
		assert_endpoint(&e, &good[i].want);
		canonical = endpoint_uri(&e);
		assert_string_equal(canonical, good[i].canonical ? good[i].canonical : good[i].uri);
		endpoint_done(&e);

		assert_int_equal(uri_parse(canonical, &e, &err), 0);
		again = endpoint_uri(&e);
		assert_string_equal(again, canonical);
		endpoint_done(&e);
	}
}

static void test_abstract(void **state)
{
	static const char *const uris[] = {"nbd+unix:///?socket=%00/abstract",
					   "nbd+unix:///x?socket=%00a%00b"};
	static const char *const names[] = {"\0/abstract", "\0a\0b"};
	static const size_t lens[] = {10, 4};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		_cleanup_free_ char *canonical = NULL;
		struct endpoint e;

		assert_int_equal(uri_parse(uris[i], &e, NULL), 0);
		assert_int_equal(e.path_len, lens[i]);
		assert_memory_equal(e.path, names[i], lens[i]);
		canonical = endpoint_uri(&e);
		assert_string_equal(canonical, uris[i]);
		endpoint_done(&e);
	}
}

/* The protocol's limit is 4096 bytes after decoding; one more is refused. */
static void test_export_limit(void **state)
{
	static const struct {
		const char *unit;
		size_t count;
		const char *says;
	} cases[] = {
	    {"a", 4096, NULL},		 {"%C3%A9", 2048, NULL},
	    {"/", 4096, NULL},		 {"a", 4097, "4097 bytes; the protocol allows 4096"},
	    {"a", 16376, "16376 bytes"}, {"a", 16377, "longer than 16384"},
	};
	char text[32768];
	struct endpoint e;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *p = stpcpy(text, "nbd://h/");
		int r;

		for (size_t n = 0; n < cases[i].count; n++)
			p = stpcpy(p, cases[i].unit);
		r = uri_parse(text, &e, &err);
		if (cases[i].says) {
			assert_sentence(r, &err, cases[i].says);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(strlen(e.export_name), 4096);
		endpoint_done(&e);
	}
}

static void test_no_secrets(void **state)
{
	static const char uri[] = "nbds://sekret1@h/x?tls-type=psk&tls-psk-file=/sekret2"
				  "&tls-hostname=sekret3.example&x-token=sekret4";
	_cleanup_free_ char *canonical = NULL;
	struct endpoint e;
	struct err err;

	(void)state;
	assert_int_equal(uri_parse(uri, &e, &err), 0);
	canonical = endpoint_uri(&e);
	assert_string_equal(canonical, "nbds://h/x");
	endpoint_done(&e);

	assert_sentence(uri_parse("nbds://bob:sekret@h/", &e, &err), &err, "password");
	assert_null(strstr(err.message, "sekret"));
}

/* --- wrong URIs ------------------------------------------------------------------ */

static const struct {
	const char *uri, *says;
} bad[] = {
    {"", "not a URI of the form"},
    {"host", "not a URI of the form"},
    {"//host/x", "not a URI of the form"},
    {"http://h/x", "\"http\" is not one of nbd://"},
    {"nbd+ssh://h/x", "\"nbd+ssh\" is not one of nbd://"},
    {"://h", "\"\" is not one of"},
    {"nbd:h", "must continue with //"},
    {"nbd+unix:x?socket=/a", "must continue with //"},
    {"nbd:", "must continue with //"},

    {"nbd:///x", "names no host: nbd://HOST/EXPORT"},
    {"nbds://", "names no host: nbds://HOST/EXPORT"},
    {"nbd://:10809/x", "names no host"},
    {"nbd:/x", "names no host"},
    {"nbd://a..b/", "not a host name"},
    {"nbd://-h/", "not a host name"},
    {"nbd://h%2Fx/", "\"h/x\" is not a host name"},
    {"nbd://h%00/", "\"h\\x00\" is not a host name"},
    {"nbd://h%0Aforged/", "\"h\\x0aforged\" is not a host name"},
    {"nbd://%FF/", "\"\\xff\" is not a host name"},
    {"nbd://" LABEL_60 LABEL_60 LABEL_60 LABEL_60 LABEL_60 "/", "not a host name"},
    {"nbd://256.1.1.1/", "not an IPv4 address"},
    {"nbd://127.1/", "not an IPv4 address"},
    {"nbd://1/", "not an IPv4 address"},
    {"nbd://0x7f000001/", "not an IPv4 address"},
    {"nbd://[::1/", "not a valid URI"},
    {"nbd://[::g]/", "not a valid URI"},
    {"nbd://[v1.x]/", "not an IPv6 address"},
    {"nbd://::1/", "not a valid URI"},
    {"nbd://[fe80::1%eth0]/", "starts with %25"},
    {"nbd://[fe80::1%25]/", "not the name of a network interface"},
    {"nbd://[fe80::1%25a%2Fb]/", "not the name of a network interface"},
    {"nbd://[fe80::1%25a%00b]/", "not the name of a network interface"},
    {"nbd://[fe80::1%25%zz]/", "\"%zz\" is not a percent-encoded byte"},
    {"nbd://[fe80::1%25aaaabbbbccccdddd]/", "not the name of a network interface"},

    {"nbd://h:0/", "from 1 to 65535, not \"0\""},
    {"nbd://h:65536/", "not \"65536\""},
    {"nbd://h:99999999999999999999999/", "not \"999"},
    {"nbd://h:nbd/", "not a valid URI"},
    {"nbd://h:-1/", "not a valid URI"},
    {"nbd+vsock://x/", "CID must be a number from 1 to 4294967294, not \"x\""},
    {"nbd+vsock://0/", "CID must be"},
    {"nbd+vsock://4294967295/", "CID must be"},
    {"nbd+vsock://-1/", "CID must be"},
    {"nbd+vsock://[::2]/", "CID must be"},
    {"nbd+vsock://2:0/", "vsock port must be"},
    {"nbd+vsock://2:4294967295/", "vsock port must be"},
    {"nbd+vsock://2:18446744073709551617/", "vsock port must be"},

    {"nbd://u@h/", "use nbds://"},
    {"nbd+unix://u@/?socket=/a", "use nbds+unix://"},
    {"nbd+vsock://u@2/", "use nbds+vsock://"},
    {"nbd://u:p@h/", "password"},
    {"nbds://u:@h/", "password"},
    {"nbds://@h/", "not a user name"},
    {"nbds://%00@h/", "not a user name"},
    {"nbds://a%0A@h/", "not a user name"},

    {"nbd://h/%00", "contains a NUL byte"},
    {"nbd://h/a%00b", "contains a NUL byte"},
    {"nbd://h/%FF", "not valid UTF-8"},
    {"nbd://h/%C0%80", "not valid UTF-8"},
    {"nbd://h/%ED%A0%80", "not valid UTF-8"},
    {"nbd://h/x#f", "fragment: write # as %23"},
    {"nbd://h/x#", "fragment"},
    {"nbd://h/a b", "byte 10 of the URI, \" \", must be percent-encoded: %20"},
    {"nbd://h/\xc3\xa9", "\"\xc3\xa9\", must be percent-encoded: %C3%A9"},
    {"nbd://h/\xff", "\"\\xff\", must be percent-encoded: %FF"},
    {"nbd://h/\x1b[2J", "\"\\x1b\", must be percent-encoded: %1B"},
    {"nbd://h/a\"b", "must be percent-encoded: %22"},
    {"nbd://h/a\\b", "must be percent-encoded: %5C"},
    {"nbd://h/a|b", "must be percent-encoded: %7C"},
    {"nbd://h/[x]", "not a valid URI"},
    {"nbd://h/%", "\"%\" is not a percent-encoded byte"},
    {"nbd://h/%4", "\"%4\" is not a percent-encoded byte"},
    {"nbd://h/%g1", "\"%g1\" is not a percent-encoded byte"},

    {"nbd+unix:///x", "names no socket: nbd+unix:///EXPORT?socket=PATH"},
    {"nbds+unix:///x?tls-type=anon", "names no socket: nbds+unix://"},
    {"nbd+unix://x?socket=/a", "no host and no port"},
    {"nbd+unix://tmp/sock", "no host and no port"},
    {"nbd+unix://:5/?socket=/a", "no host and no port"},
    {"nbd+unix:///?socket", "path of the Unix socket is empty"},
    {"nbd+unix:///?socket=", "path of the Unix socket is empty"},
    {"nbd+unix:///?socket=%00", "abstract Unix socket is empty"},
    {"nbd+unix:///?socket=/a%00b", "contains a NUL byte"},
    {"nbd+unix:///?socket=" PATH_107 "b", "has 108 bytes; 107 are possible"},
    {"nbd+unix:///?socket=%00" PATH_107 "b", "has 109 bytes; 108 are possible"},
    {"nbd+unix:///?socket=/a&socket=/a", "socket is given twice"},
    {"nbd://h/?socket=/a", "can be used only with nbd+unix://"},
    {"nbds+vsock://2/?socket=/a", "can be used only with nbds+unix://"},

    {"nbd://h/?foo=1", "parameter \"foo\" is not known"},
    {"nbd://h/?=1", "parameter \"\" is not known"},
    {"nbd://h/?x-=1", "parameter \"x-\" is not known"},
    {"nbd://h/?foo%00=1", "parameter \"foo\\x00\" is not known"},
    {"nbd+unix:///?SOCKET=/a", "parameter \"SOCKET\" is not known"},
    {"nbds://h/?tls-type=anon;tls-verify-peer=0", "tls-type must be"},
    {"nbd://h/?tls-type=anon", "tls-type needs TLS: use nbds://"},
    {"nbd+unix:///?socket=/a&tls-hostname=x", "tls-hostname needs TLS: use nbds+unix://"},
    {"nbd+vsock:///?tls-verify-peer=1", "tls-verify-peer needs TLS: use nbds+vsock://"},
    {"nbd://h/?tls-certificates=/c", "tls-certificates needs TLS"},
    {"nbd://h/?tls-psk-file=/k", "tls-psk-file needs TLS"},
    {"nbds://h/?tls-type=", "anon, x509 or psk, not \"\""},
    {"nbds://h/?tls-type=X509", "anon, x509 or psk, not \"X509\""},
    {"nbds://h/?tls-type=psk%00", "anon, x509 or psk, not \"psk\\x00\""},
    {"nbds://h/?tls-verify-peer", "must be 0 or 1, not \"\""},
    {"nbds://h/?tls-verify-peer=yes", "must be 0 or 1"},
    {"nbds://h/?tls-verify-peer=00", "must be 0 or 1"},
    {"nbds://h/?tls-verify-peer=2", "must be 0 or 1"},
    {"nbds://h/?tls-verify-peer=0&tls-verify-peer=1", "tls-verify-peer is given twice"},
    {"nbds://h/?tls-hostname=", "must be a host name or an address"},
    {"nbds://h/?tls-hostname=::1%00", "must be a host name or an address"},
    {"nbds://h/?tls-hostname=fe80::1%25eth0", "must be a host name or an address"},
    {"nbds://h/?tls-hostname=a%20b", "must be a host name"},
    {"nbds://h/?tls-hostname=a&tls-hostname=a", "tls-hostname is given twice"},
    {"nbds://h/?tls-certificates=", "tls-certificates must be a path"},
    {"nbds://h/?tls-psk-file=/a%00b", "tls-psk-file must be a path"},
    {"nbds://h/?tls-certificates=/c&tls-psk-file=/k", "tls-type must say which"},
    {"nbds://h/?tls-type=psk&tls-certificates=/c", "cannot be combined with tls-type=psk"},
    {"nbds://h/?tls-certificates=/c&tls-type=anon", "cannot be combined with tls-type=anon"},
    {"nbds://h/?tls-type=x509&tls-psk-file=/k", "cannot be combined with tls-type=x509"},
    {"nbds://h/?tls-type=anon&tls-psk-file=/k", "cannot be combined with tls-type=anon"},
    {"nbds://h/?tls-type=anon&tls-verify-peer=1", "cannot verify the server"},
    {"nbds://h/?tls-type=anon&tls-hostname=x", "cannot verify the server"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct endpoint e, before;
		struct err err;

		print_message("%s\n", bad[i].says);
		memset(&e, 0xa5, sizeof(e));
		memcpy(&before, &e, sizeof(e));
		assert_sentence(uri_parse(bad[i].uri, &e, &err), &err, bad[i].says);
		assert_memory_equal(&e, &before, sizeof(e)); /* untouched on failure */
	}
}

/* --- words -------------------------------------------------------------------------------- */

static const struct {
	const char *host, *port, *export_name;
	const char *canonical, *says; /* one of them */
} words[] = {
    {"host", NULL, NULL, "nbd://host/", NULL},
    {"Host", NULL, "", "nbd://host/", NULL},
    {"host", "1", "a b", "nbd://host:1/a%20b", NULL},
    {"host:2", NULL, "x", "nbd://host:2/x", NULL},
    {"nbd:10809", NULL, NULL, "nbd://nbd/", NULL},
    {"1.2.3.4", NULL, NULL, "nbd://1.2.3.4/", NULL},
    {"1.2.3.4:5", NULL, NULL, "nbd://1.2.3.4:5/", NULL},
    {"::1", NULL, NULL, "nbd://[::1]/", NULL},
    {"::1", "5", NULL, "nbd://[::1]:5/", NULL},
    {"[::1]", NULL, NULL, "nbd://[::1]/", NULL},
    {"[::1]", "5", NULL, "nbd://[::1]:5/", NULL},
    {"[::1]:5", NULL, NULL, "nbd://[::1]:5/", NULL},
    {"fe80::1%eth0", NULL, NULL, "nbd://[fe80::1%25eth0]/", NULL},
    {"[fe80::1%eth0]:5", NULL, "x", "nbd://[fe80::1%25eth0]:5/x", NULL},
    {"nbd://h/x", NULL, NULL, "nbd://h/x", NULL},
    {"NBD+UNIX:///x?socket=/a", NULL, NULL, "nbd+unix:///x?socket=/a", NULL},
    {"nbd+unix:/x?socket=/a", NULL, NULL, "nbd+unix:///x?socket=/a", NULL},

    {"", NULL, NULL, NULL, "host is empty"},
    {"nbd://h/x", NULL, "y", NULL, "a URI contains the export"},
    {"nbd://h", NULL, "y", NULL, "a URI contains the export"},
    {"nbd://h", NULL, "", NULL, "a URI contains the export"},
    {"nbd://h", "5", NULL, NULL, "a URI contains the port"},
    {"nbd://h:x", NULL, NULL, NULL, "not a valid URI"},
    {"http://h/", NULL, NULL, NULL, "scheme \"http\""},
    {"nbd+ssh:h", NULL, NULL, NULL, "scheme \"nbd+ssh\""},
    {"host:5", "5", NULL, NULL, "port is given twice"},
    {"[::1]:5", "6", NULL, NULL, "port is given twice"},
    {"host:", NULL, NULL, NULL, "from 1 to 65535, not \"\""},
    {"host:nbd", NULL, NULL, NULL, "from 1 to 65535, not \"nbd\""},
    {"host", "0", NULL, NULL, "from 1 to 65535, not \"0\""},
    {"host", "65536", NULL, NULL, "not \"65536\""},
    {"host", "+5", NULL, NULL, "not \"+5\""},
    {"host", " 5", NULL, NULL, "not \" 5\""},
    {"host", "5x", NULL, NULL, "not \"5x\""},
    {"host", "", NULL, NULL, "not \"\""},
    {"host", "99999999999999999999", NULL, NULL, "not \"999"},
    {":5", NULL, NULL, NULL, "\"\" is not a host name"},
    {"ho st", NULL, NULL, NULL, "\"ho st\" is not a host name"},
    {"h\x1b", NULL, NULL, NULL, "\"h\\x1b\" is not a host name"},
    {"[::1", NULL, NULL, NULL, "not of the form [ADDRESS]"},
    {"[::1]5", NULL, NULL, NULL, "not of the form [ADDRESS]"},
    {"[]", NULL, NULL, NULL, "not an IPv6 address"},
    {"[1.2.3.4]", NULL, NULL, NULL, "not an IPv6 address"},
    {"::1:99999", NULL, NULL, NULL, "[ADDRESS]:PORT"},
    {"a:b:c", NULL, NULL, NULL, "[ADDRESS]:PORT"},
    {"fe80::1%", NULL, NULL, NULL, "not the name of a network interface"},
    {"/tmp/x", NULL, NULL, NULL, "is a path, not a server"},
    {"./x", NULL, NULL, NULL, "is a path, not a server"},
    {"../x", NULL, NULL, NULL, "is a path, not a server"},
    {"~/x", NULL, NULL, NULL, "is a path, not a server"},
    {"host/export", NULL, NULL, NULL, "give the export as a separate argument"},
    {"host//export", NULL, NULL, NULL, "give the export as a separate argument"},
    {"nbd:/host", NULL, NULL, NULL, "give the export as a separate argument"},
    {"unix:/tmp/s", NULL, NULL, NULL, "nbd+unix:///EXPORT?socket=PATH"},
    {"vsock:2:10809", NULL, NULL, NULL, "nbd+vsock://CID:PORT/EXPORT"},
    {"host", NULL, "a\xff", NULL, "not valid UTF-8"},
};

static void test_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		_cleanup_free_ char *canonical = NULL;
		struct endpoint e;
		struct err err = {0};
		int r =
		    uri_positional(words[i].host, words[i].port, words[i].export_name, &e, &err);

		print_message("%s\n", words[i].says ? words[i].says : words[i].host);
		if (words[i].says) {
			assert_sentence(r, &err, words[i].says);
			continue;
		}
		assert_int_equal(r, 0);
		canonical = endpoint_uri(&e);
		assert_string_equal(canonical, words[i].canonical);
		endpoint_done(&e);
	}
}

/* disk.img is a host name unless such a file exists. */
static void test_image_file(void **state)
{
	char dir[] = "/tmp/test-uri-XXXXXX";
	_cleanup_free_ char *canonical = NULL;
	_cleanup_fd_ int fd = -1, back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct endpoint e;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(uri_positional("disk.QCOW2", NULL, NULL, &e, &err), 0);
	canonical = endpoint_uri(&e);
	assert_string_equal(canonical, "nbd://disk.qcow2/");
	endpoint_done(&e);
	fd = open("disk.QCOW2", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_sentence(uri_positional("disk.QCOW2", NULL, NULL, &e, &err), &err,
			"--image FORMAT:FILE for a disk image");
	unlink("disk.QCOW2");
	assert_int_equal(fchdir(back), 0);
	rmdir(dir);
}

static void test_unix(void **state)
{
	static const struct {
		const char *path, *export_name, *canonical, *says;
	} cases[] = {
	    {"/s", NULL, "nbd+unix:///?socket=/s", NULL},
	    {"s", "a/b", "nbd+unix:///a/b?socket=s", NULL},
	    {"./@s", "", "nbd+unix:///?socket=./%40s", NULL},
	    {PATH_107, NULL, "nbd+unix:///?socket=" PATH_107, NULL},
	    {"", NULL, NULL, "path of the Unix socket is empty"},
	    {PATH_107 "b", NULL, NULL, "107 are possible"},
	    {"@s", NULL, NULL, "nbd+unix:///EXPORT?socket=%00NAME"},
	    {"nbd+unix:///?socket=/s", NULL, NULL, "--unix takes a path"},
	    {"/s", "\xc0", NULL, "not valid UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *canonical = NULL;
		struct endpoint e;
		struct err err;
		int r = uri_unix(cases[i].path, cases[i].export_name, &e, &err);

		if (cases[i].says) {
			assert_sentence(r, &err, cases[i].says);
			continue;
		}
		assert_int_equal(r, 0);
		canonical = endpoint_uri(&e);
		assert_string_equal(canonical, cases[i].canonical);
		endpoint_done(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),	 cmocka_unit_test(test_abstract),
	    cmocka_unit_test(test_export_limit), cmocka_unit_test(test_no_secrets),
	    cmocka_unit_test(test_bad),		 cmocka_unit_test(test_words),
	    cmocka_unit_test(test_image_file),	 cmocka_unit_test(test_unix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
