/* SPDX-License-Identifier: MIT */
/*
 * The names of the network interfaces of link-local addresses. An address has only the number of
 * its interface, and an interface that goes and comes back (a VLAN, a bridge, an adapter on USB)
 * has another number. No ownership; nothing blocks.
 */
#ifndef TRANSPORT_SCOPES_H
#define TRANSPORT_SCOPES_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint/address.h"

#define SCOPES_MAX 16

struct scopes { /* the oldest first; all zero: none */
	size_t n;
	struct {
		uint32_t index;
		char name[IF_NAMESIZE];
	} item[SCOPES_MAX];
};

/* Remembers the names of the interfaces that these addresses have now. */
void scopes_note(struct scopes *s, const struct address_list *list);

/* Gives addresses whose interface has gone the number that an interface of that name has now. */
void scopes_renew(struct scopes *s, struct address_list *list);

#endif
