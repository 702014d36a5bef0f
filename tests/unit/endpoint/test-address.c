/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "endpoint/address.h"
#include "transport/sockopts.h"

static const char *over_tcp; /* the protocol that the kernel is to name; NULL: ask it */

/* In the place of the C library's. */
int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (over_tcp && level == IPPROTO_TCP && name == TCP_ULP) {
		*len = (socklen_t)strlen(over_tcp) + 1;
		memcpy(value, over_tcp, *len);
		return 0;
	}
	return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

static struct address literal(const char *text, uint16_t port)
{
	struct address a;

	assert_true(address_from_literal(text, port, &a));
	return a;
}

static void assert_described(const struct address *a, const char *expected)
{
	char text[ADDRESS_TEXT_MAX];

	assert_string_equal(address_describe(a, text, sizeof(text)), expected);
}

static void describe(void **state)
{
	struct address a = literal("127.0.0.1", 10809);
	struct sockaddr_in6 *sin6 = (void *)&a.sa;

	(void)state;
	assert_described(&a, "127.0.0.1:10809");
	a = literal("::1", 1);
	assert_described(&a, "[::1]:1");
	a = literal("fe80::1%lo", 1);
	assert_described(&a, "[fe80::1%lo]:1");
	sin6->sin6_scope_id = 4000000000;
	assert_described(&a, "[fe80::1%4000000000]:1");
	a.sa.ss_family = AF_APPLETALK;
	assert_described(&a, "an unknown address");
}

static void literals(void **state)
{
	static const char *const none[] = {"",	  "localhost", "1.2.3.4.5",	"::1 ",	   "[::1]",
					   "::g", "a:b",       "fe80::1%nope0", "1.2.3.4x"};
	struct address a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_false(address_from_literal(none[i], 1, &a));
}

static void literal_lists(void **state)
{
	struct address_list list;
	struct endpoint e;
	struct err err;
	char path[200];

	(void)state;
	endpoint_init(&e);
	e.host = strdup("::1");
	assert_int_equal(address_list_literal(&e, &list, &err), 1);
	assert_described(&list.item[0], "[::1]:10809");
	free(e.host);
	e.host = strdup("server");
	assert_int_equal(address_list_literal(&e, &list, &err), 0);
	free(e.host);
	e.host = strdup("::g");
	assert_true(address_list_literal(&e, &list, &err) < 0);
	assert_int_equal(err.kind, ERR_USAGE);
	free(e.host);
	e.host = strdup("fe80::1%nope0");
	assert_true(address_list_literal(&e, &list, &err) < 0);
	assert_int_equal(err.kind, ERR_RETRY);
	endpoint_done(&e);

	/* The limit is 107 bytes and a NUL for a path, 108 bytes for an abstract name. */
	memset(path, 'x', sizeof(path));
	e.type = ENDPOINT_UNIX;
	e.path = path;
	e.path_len = 107;
	assert_int_equal(address_list_literal(&e, &list, &err), 1);
	e.path_len = 108;
	assert_true(address_list_literal(&e, &list, &err) < 0);
	assert_int_equal(err.kind, ERR_USAGE);
	path[0] = '\0';
	assert_int_equal(address_list_literal(&e, &list, &err), 1);
	assert_int_equal(list.item[0].len, sizeof(struct sockaddr_un));
	e.path_len = 109;
	assert_true(address_list_literal(&e, &list, &err) < 0);
	e.path_len = 0;
	assert_true(address_list_literal(&e, &list, &err) < 0);
	memcpy(path, "/a\0b", 4);
	e.path_len = 4;
	assert_true(address_list_literal(&e, &list, &err) < 0);
	assert_int_equal(err.kind, ERR_USAGE);

	e.path = NULL;
	e.type = ENDPOINT_VSOCK;
	e.cid = 3;
	assert_int_equal(address_list_literal(&e, &list, &err), 1);
	assert_described(&list.item[0], "vsock:3:10809");
}

static void equality(void **state)
{
	struct address a = literal("10.0.0.1", 1), b = a;

	(void)state;
	((struct sockaddr_in *)&b.sa)->sin_zero[0] = 1; /* padding */
	assert_true(address_equal(&a, &b));
	b = literal("10.0.0.1", 2);
	assert_false(address_equal(&a, &b));
	b = literal("::ffff:10.0.0.1", 1);
	assert_false(address_equal(&a, &b));
	a = literal("fe80::1", 1);
	b = literal("fe80::1%lo", 1);
	assert_false(address_equal(&a, &b));
}

static void resolved_valid(void **state)
{
	struct address a = literal("10.0.0.1", 7);

	(void)state;
	assert_true(address_resolved_valid(&a, 7));
	assert_false(address_resolved_valid(&a, 8));
	a.len++;
	assert_false(address_resolved_valid(&a, 7));
	a.len = 0;
	assert_false(address_resolved_valid(&a, 7));
	a = literal("::1", 7);
	assert_true(address_resolved_valid(&a, 7));
	a.len = sizeof(struct sockaddr_in);
	assert_false(address_resolved_valid(&a, 7));
	a = literal("::1", 7);
	a.sa.ss_family = AF_UNIX;
	assert_false(address_resolved_valid(&a, 7));
}

static void order(const char *in, const char *expected)
{
	struct address_list list = {0};
	char out[ADDRESSES_MAX + 1] = "";

	for (size_t i = 0; in[i]; i++) {
		struct address a = literal(in[i] == '6' ? "::1" : "127.0.0.1", (uint16_t)(i + 1));

		assert_true(address_list_add(&list, &a));
	}
	address_list_interleave(&list);
	for (size_t i = 0; i < list.n; i++) {
		const struct sockaddr_in *sin = (const void *)&list.item[i].sa; /* or in6 */

		out[i] = (char)('a' + ntohs(sin->sin_port) - 1);
	}
	assert_string_equal(out, expected);
}

/* RFC 8305 section 4. The letters are positions in the input. */
static void interleave(void **state)
{
	(void)state;
	order("6", "a");
	order("66", "ab");
	order("64", "ab");
	order("6644", "acbd");
	order("4466", "acbd");
	order("64444", "abcde");
	order("66664", "aebcd");
	order("46464", "abcde");
}

static void add(void **state)
{
	struct address_list list = {0};
	struct address a = literal("127.0.0.1", 1);

	(void)state;
	assert_true(address_list_add(&list, &a));
	assert_false(address_list_add(&list, &a));
	for (uint16_t port = 2; port <= ADDRESSES_MAX; port++) {
		a = literal("127.0.0.1", port);
		assert_true(address_list_add(&list, &a));
	}
	a = literal("127.0.0.1", ADDRESSES_MAX + 1);
	assert_false(address_list_add(&list, &a));
	assert_int_equal(list.n, ADDRESSES_MAX);
}

static void add_some(struct address_list *list, const char *text, uint16_t first, uint16_t n)
{
	for (uint16_t port = first; port < first + n; port++) {
		struct address a = literal(text, port);

		address_list_add_fairly(list, &a);
	}
}

/* How many of that family there are; their ports are 1, 2, 3... */
static size_t count(const struct address_list *list, sa_family_t family)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct sockaddr_in *sin = (const void *)&list->item[i].sa; /* or in6 */

		if (list->item[i].sa.ss_family == family)
			assert_int_equal(ntohs(sin->sin_port), ++n);
	}
	return n;
}

/* A name with many addresses: neither family is crowded out, and the first ones are kept. */
static void add_fairly(void **state)
{
	static const struct {
		uint16_t first, then; /* IPv6, then IPv4, as getaddrinfo() sorts them */
		size_t kept_first, kept_then;
	} table[] = {
	    {3, 2, 3, 2},
	    {ADDRESSES_MAX, 0, ADDRESSES_MAX, 0},
	    {ADDRESSES_MAX + 5, 1, ADDRESSES_MAX - 1, 1},
	    {ADDRESSES_MAX + 5, ADDRESSES_MAX + 5, ADDRESSES_MAX / 2, ADDRESSES_MAX / 2},
	    {2, ADDRESSES_MAX, 2, ADDRESSES_MAX - 2},
	    {0, ADDRESSES_MAX + 1, 0, ADDRESSES_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct address_list list = {0};

		add_some(&list, "::1", 1, table[i].first);
		add_some(&list, "127.0.0.1", 1, table[i].then);
		add_some(&list, "127.0.0.1", 1, table[i].then); /* again: nothing is new */
		assert_int_equal(count(&list, AF_INET6), table[i].kept_first);
		assert_int_equal(count(&list, AF_INET), table[i].kept_then);
		assert_int_equal(list.n, table[i].kept_first + table[i].kept_then);
	}
}

static void sources(void **state)
{
	static const char *const bad[] = {"",
					  "a b",
					  "a/b",
					  "..",
					  "sixteen-letters-",
					  "eth0:1",
					  "10.0.0.1:5",
					  "fe80::1",
					  "fe80::1%",
					  "fe80::1%0",
					  "fe80::1%a/b",
					  "fe80::1%sixteen-letters-",
					  "fe80::x%eth9",
					  "2001:db8::1%eth9"};
	struct source s;
	struct err err;

	(void)state;
	assert_int_equal(source_parse(NULL, &s, &err), 0);
	assert_int_equal(s.kind, SOURCE_ANY);
	assert_int_equal(source_parse("10.0.0.1", &s, &err), 0);
	assert_int_equal(s.kind, SOURCE_ADDRESS);
	assert_int_equal(source_parse("eth0.12", &s, &err), 0);
	assert_int_equal(s.kind, SOURCE_INTERFACE);
	/* An interface may be missing. */
	assert_int_equal(source_parse("fe80::1%nosuch0", &s, &err), 0);
	assert_int_equal(s.kind, SOURCE_ADDRESS);
	assert_true(source_names_interface("fe80::1%nosuch0"));
	assert_true(source_names_interface("fe80::1%lo"));
	assert_true(source_names_interface("nosuch0"));
	assert_false(source_names_interface("10.0.0.1"));
	assert_int_equal(sockopts_socket(AF_INET6, &s, 0), -ENODEV);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(source_parse(bad[i], &s, &err) < 0);
		assert_int_equal(err.kind, ERR_USAGE);
	}
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void options(void **state)
{
	const struct source any = {.kind = SOURCE_ANY};
	struct source here = {.kind = SOURCE_ADDRESS, .address = literal("127.0.0.1", 0)};
	struct timeval tv = {.tv_sec = 1};
	struct linger slow = {.l_onoff = 1, .l_linger = 9};
	socklen_t len = sizeof(tv);
	struct err err;
	int fd = sockopts_socket(AF_INET6, &any, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(option(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	/* The limit of an idle link to a dead peer: 10 s. */
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) +
			     option(fd, IPPROTO_TCP, TCP_KEEPINTVL) *
				 option(fd, IPPROTO_TCP, TCP_KEEPCNT),
			 10);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &slow, sizeof(slow)), 0);
	assert_int_equal(sockopts_hand_over(fd, &err), 0);
	len = sizeof(slow);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LINGER, &slow, &len), 0);
	assert_int_equal(slow.l_onoff, 0);
	len = sizeof(tv);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len), 0);
	assert_true(tv.tv_sec == 0 && tv.tv_usec == 0);
	tv.tv_sec = 1;
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len), 0);
	assert_true(tv.tv_sec == 0 && tv.tv_usec == 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	over_tcp = "tls";
	assert_int_equal(sockopts_hand_over(fd, &err), 0);
	over_tcp = "espintcp";
	assert_int_equal(sockopts_hand_over(fd, &err), -EPROTO);
	assert_int_equal(err.kind, ERR_PERMANENT);
	over_tcp = NULL;
	close(fd);

	assert_int_equal(sockopts_socket(AF_INET6, &here, 0), -EADDRNOTAVAIL);
	fd = sockopts_socket(AF_INET, &here, 0);
	assert_true(fd >= 0);
	close(fd);
	here = (struct source){.kind = SOURCE_INTERFACE, .interface = "nope0"};
	assert_int_equal(sockopts_socket(AF_INET, &here, 0), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(describe),	      cmocka_unit_test(literals),
	    cmocka_unit_test(literal_lists),  cmocka_unit_test(equality),
	    cmocka_unit_test(resolved_valid), cmocka_unit_test(interleave),
	    cmocka_unit_test(add_fairly),     cmocka_unit_test(add),
	    cmocka_unit_test(sources),	      cmocka_unit_test(options),
	};

	return cmocka_run_group_tests_name("transport-address", tests, NULL, NULL);
}
