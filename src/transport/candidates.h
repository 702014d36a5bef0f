/* SPDX-License-Identifier: MIT */
/*
 * Which addresses of a server an attempt can still try: those that have neither refused a
 * connection nor failed in a handshake. And how long one that is silent may keep the others
 * waiting. A plain value without ownership; nothing blocks.
 */
#ifndef TRANSPORT_CANDIDATES_H
#define TRANSPORT_CANDIDATES_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint/address.h"
#include "transport/dial.h"

struct candidates {
	const struct address_list *all; /* borrowed; may be filled later */
	uint32_t failed;		/* a bit for each */
};

/* This address has failed. One that is not in the list is ignored. */
void candidates_fail(struct candidates *c, const struct address *a);

/* So have those that refused a connection here. */
void candidates_fail_dialled(struct candidates *c, const struct dial *d);

/* How many are left, and which. */
unsigned candidates_left(const struct candidates *c);
void candidates_list(const struct candidates *c, struct address_list *ret_list);

/*
 * The share of the present address in the `left_ms` that all those that are left have. False: it
 * is the only one, and has all of that.
 */
bool candidates_share(const struct candidates *c, uint64_t left_ms, uint64_t *ret_ms);

#endif
