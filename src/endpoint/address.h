/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses as plain values: no ownership, no pointers, so that a list can cross a process
 * boundary as bytes and be checked on arrival. No function here blocks or uses a name service.
 */
#ifndef ENDPOINT_ADDRESS_H
#define ENDPOINT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "endpoint/endpoint.h"

#define ADDRESSES_MAX 32

/* Room for address_describe(): an escaped Unix path at its longest. */
#define ADDRESS_TEXT_MAX 512

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

struct address_list {
	size_t n;
	struct address item[ADDRESSES_MAX];
};

/* For people: `127.0.0.1:10809`, `[::1]:10809`, `unix:/path`, `vsock:2:10809`. Returns buf. */
char *address_describe(const struct address *a, char *buf, size_t size);

/* Family, address, port and scope are the same. */
bool address_equal(const struct address *a, const struct address *b);

/*
 * True if `a` is a valid answer of a resolver for `port`: IPv4 or IPv6, of its family's length and
 * that port. For values from another process.
 */
bool address_resolved_valid(const struct address *a, uint16_t port);

/* An IPv4 or IPv6 literal (a scope behind % is allowed). False: it is none. */
bool address_from_literal(const char *text, uint16_t port, struct address *ret_address);

/* True for a link-local address of IPv6 without a scope: each interface has such addresses. */
bool address_lacks_interface(const struct address *a);

/*
 * The addresses of an endpoint that needs no name service: a literal, a Unix path, vsock.
 * Returns 1 and the list, 0 if a name has to be resolved, or -errno with *err (USAGE: the path
 * is too long for a socket address, the host is malformed; RETRY: the scope's interface is
 * missing).
 */
int address_list_literal(const struct endpoint *e, struct address_list *ret_list, struct err *err);

/*
 * Appends `a` unless it is in the list already or the list is full. Returns false if it was not
 * appended.
 */
bool address_list_add(struct address_list *list, const struct address *a);

/*
 * The same for the addresses of a name, which are sorted, one family after the other: in a full
 * list each family has up to half of the places, because this machine may have only one of them.
 */
bool address_list_add_fairly(struct address_list *list, const struct address *a);

/*
 * RFC 8305 section 4: families take turns, beginning with that of the first address; within a
 * family the order (RFC 6724, from getaddrinfo) stays.
 */
void address_list_interleave(struct address_list *list);

#endif
