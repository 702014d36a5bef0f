/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "endpoint/endpoint.h"

static void assert_uri(const struct endpoint *e, const char *expected)
{
	char *uri = endpoint_uri(e);

	assert_non_null(uri);
	assert_string_equal(uri, expected);
	free(uri);
}

static void defaults(void **state)
{
	struct endpoint e;

	(void)state;
	endpoint_init(&e);
	assert_int_equal(e.type, ENDPOINT_TCP);
	assert_int_equal(e.port, 10809);
	assert_int_equal(e.vsock_port, 10809);
	assert_true(e.tls_verify_peer);
	assert_false(e.tls);
	assert_null(e.export_name);
	e.host = strdup("h");
	e.export_name = strdup("x");
	e.tls_username = strdup("u");
	endpoint_done(&e);
	assert_null(e.host);
	endpoint_done(&e);
}

static void who_is_verified(void **state)
{
	static const struct {
		bool tls;
		enum endpoint_tls_type type;
		bool verify_peer, verifies, warning;
	} rows[] = {
	    {false, TLS_TYPE_UNSET, true, false, false}, {true, TLS_TYPE_UNSET, true, true, false},
	    {true, TLS_TYPE_X509, true, true, false},	 {true, TLS_TYPE_X509, false, false, true},
	    {true, TLS_TYPE_UNSET, false, false, true},	 {true, TLS_TYPE_ANON, true, false, true},
	    {true, TLS_TYPE_PSK, true, true, false},	 {true, TLS_TYPE_PSK, false, true, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct endpoint e;

		endpoint_init(&e);
		e.tls = rows[i].tls;
		e.tls_type = rows[i].type;
		e.tls_verify_peer = rows[i].verify_peer;
		assert_int_equal(endpoint_verifies(&e), rows[i].verifies);
		assert_int_equal(endpoint_warning(&e) != NULL, rows[i].warning);
		endpoint_done(&e);
	}
}

static void uri_tcp(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
		const char *export_name;
		const char *uri;
	} rows[] = {
	    {"server.example", 10809, "", "nbd://server.example/"},
	    {"SERVER.Example", 10809, "Disk", "nbd://server.example/Disk"},
	    {"10.0.0.1", 1, "a b", "nbd://10.0.0.1:1/a%20b"},
	    {"::1", 10809, "", "nbd://[::1]/"},
	    {"0:0:0:0:0:0:0:1", 65535, "", "nbd://[::1]:65535/"},
	    {"2001:DB8::A", 10809, "/dev/x", "nbd://[2001:db8::a]//dev/x"},
	    {"fe80::1%eth0", 10809, "", "nbd://[fe80::1%25eth0]/"},
	    {"h", 10809, "\xc3\xa9?#%\n", "nbd://h/%C3%A9%3F%23%25%0A"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct endpoint e;

		endpoint_init(&e);
		e.host = strdup(rows[i].host);
		e.port = rows[i].port;
		e.export_name = strdup(rows[i].export_name);
		assert_uri(&e, rows[i].uri);
		endpoint_done(&e);
	}
}

/* The identifier, which every user can read in sysfs, has no user name and no key file. */
static void uri_without_secrets(void **state)
{
	struct endpoint e;

	(void)state;
	endpoint_init(&e);
	e.host = strdup("h");
	e.export_name = strdup("x");
	e.tls = true;
	e.tls_username = strdup("alice");
	e.tls_hostname = strdup("other");
	e.tls_psk_file = strdup("/etc/keys");
	e.tls_certificates = strdup("/etc/pki");
	e.tls_verify_peer = false;
	assert_uri(&e, "nbds://h/x");
	endpoint_done(&e);
}

static void unix_socket(void **state)
{
	struct endpoint e;
	char text[64], cut[8];

	(void)state;
	endpoint_init(&e);
	e.type = ENDPOINT_UNIX;
	e.path = strdup("/run/a b&c");
	e.path_len = strlen(e.path);
	e.export_name = strdup("");
	assert_uri(&e, "nbd+unix:///?socket=/run/a%20b%26c");
	assert_string_equal(endpoint_describe(&e, text, sizeof(text)), "unix:/run/a b&c");
	assert_string_equal(endpoint_describe(&e, cut, sizeof(cut)), "unix:/r");
	memcpy(e.path, "\0abs\ntr", 7);
	e.path_len = 7;
	e.tls = true;
	assert_uri(&e, "nbds+unix:///?socket=%00abs%0Atr");
	assert_string_equal(endpoint_describe(&e, text, sizeof(text)), "unix:@abs\\x0atr");
	endpoint_done(&e);
}

static void vsock(void **state)
{
	struct endpoint e;
	char text[64];

	(void)state;
	endpoint_init(&e);
	e.type = ENDPOINT_VSOCK;
	e.cid = 2;
	e.export_name = strdup("x");
	assert_uri(&e, "nbd+vsock://2/x");
	e.vsock_port = UINT32_MAX;
	assert_uri(&e, "nbd+vsock://2:4294967295/x");
	assert_string_equal(endpoint_describe(&e, text, sizeof(text)), "vsock:2:4294967295");
	endpoint_done(&e);
}

static void describe_tcp(void **state)
{
	struct endpoint e;
	char text[64];

	(void)state;
	endpoint_init(&e);
	e.host = strdup("server");
	assert_string_equal(endpoint_describe(&e, text, sizeof(text)), "server:10809");
	free(e.host);
	e.host = strdup("fe80::1%eth0");
	assert_string_equal(endpoint_describe(&e, text, sizeof(text)), "[fe80::1%eth0]:10809");
	free(e.host);
	e.host = strdup("a\033[2Jb");
	assert_string_equal(endpoint_describe(&e, text, sizeof(text)), "a\\x1b[2Jb:10809");
	endpoint_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),	    cmocka_unit_test(who_is_verified),
	    cmocka_unit_test(uri_tcp),	    cmocka_unit_test(uri_without_secrets),
	    cmocka_unit_test(unix_socket),  cmocka_unit_test(vsock),
	    cmocka_unit_test(describe_tcp),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
