/* SPDX-License-Identifier: MIT */
/* worker/resolve.c: what is taken of the addresses of a name. test-attempt.c runs the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <netdb.h>
#include <netinet/in.h>

#include "worker/resolve.h"

static unsigned n_ipv6, n_ipv4;

static struct addrinfo *prepend(struct addrinfo *next, int family, unsigned number)
{
	struct addrinfo *i = calloc(1, sizeof(*i) + sizeof(struct sockaddr_storage));
	struct sockaddr_storage *sa = (void *)(i + 1);

	assert_non_null(i);
	sa->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		((struct sockaddr_in *)sa)->sin_addr.s_addr = htonl(0x7f000000 + number);
	else
		((struct sockaddr_in6 *)sa)->sin6_addr.s6_addr[15] = (uint8_t)number;
	i->ai_addr = (void *)sa;
	i->ai_addrlen =
	    family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	i->ai_next = next;
	return i;
}

/* Both replace those of the C library. IPv6 comes first, as usual. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **res)
{
	struct addrinfo *list = NULL;

	(void)node;
	(void)service;
	(void)hints;
	for (unsigned i = n_ipv4; i > 0; i--)
		list = prepend(list, AF_INET, i);
	for (unsigned i = n_ipv6; i > 0; i--)
		list = prepend(list, AF_INET6, i);
	*res = list;
	return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
	while (list) {
		struct addrinfo *next = list->ai_next;

		free(list);
		list = next;
	}
}

static size_t families(unsigned ipv6, unsigned ipv4, size_t *ret_ipv4)
{
	struct address_list list;

	n_ipv6 = ipv6;
	n_ipv4 = ipv4;
	assert_int_equal(resolve_lookup("here", 10809, &list), 0);
	*ret_ipv4 = 0;
	for (size_t i = 0; i < list.n; i++)
		*ret_ipv4 += list.item[i].sa.ss_family == AF_INET;
	return list.n;
}

/* A machine with IPv4 alone reaches a server of many addresses. */
static void no_family_is_crowded_out(void **state)
{
	size_t ipv4;

	(void)state;
	assert_int_equal(families(2, 1, &ipv4), 3);
	assert_int_equal(ipv4, 1);
	assert_int_equal(families(ADDRESSES_MAX + 8, 3, &ipv4), ADDRESSES_MAX);
	assert_int_equal(ipv4, 3);
	assert_int_equal(families(ADDRESSES_MAX, ADDRESSES_MAX, &ipv4), ADDRESSES_MAX);
	assert_int_equal(ipv4, ADDRESSES_MAX / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(no_family_is_crowded_out)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
