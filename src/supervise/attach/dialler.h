/* SPDX-License-Identifier: MIT */
/*
 * Makes the connections of one attachment: the first one describes the export and how many
 * connections the server allows; then the others are made in parallel to the same address and
 * compared with it. Lives on the loop, never blocks. Owns the connections until dialler_take().
 */
#ifndef SUPERVISE_ATTACH_DIALLER_H
#define SUPERVISE_ATTACH_DIALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "transport/attempt.h"

struct dialler;

struct dialler_config {
	const struct endpoint *endpoint; /* borrowed for the dialler's life */
	const char *source;		 /* borrowed; NULL: any */
	const uid_t *peer_uid;		 /* borrowed; NULL: any */
	struct helpers *helpers;	 /* borrowed */
	uint32_t timeout_ms;		 /* for each attempt */
	uint32_t peer_timeout_ms;
	uint32_t sample; /* of the first connection, and identifiers of each; see struct
			    attempt_config */
};

/*
 * The first connection, or all further ones, are ready (ret 0), or dialling failed (-errno, *err).
 */
typedef void dialler_fn(int ret, const struct err *err, void *arg);

/* NULL: no memory. */
struct dialler *dialler_new(struct loop *loop, const struct dialler_config *cfg, dialler_fn *fn,
			    void *arg);
/* Accepts NULL; closes connections that were not taken. */
void dialler_free(struct dialler *d);

/* Drops all connections and dials the first one. The answer comes through fn, never from inside. */
void dialler_first(struct dialler *d);

/* Dials until there are `n` (1 to LINKS_MAX) connections; n = 1 answers at once, from inside. */
void dialler_join(struct dialler *d, unsigned n);

/* The export, as the first connection described it; valid after its success. Borrowed. */
const struct nbd_export *dialler_export(const struct dialler *d);
const struct address *dialler_peer(const struct dialler *d);
const struct address_list *dialler_addresses(const struct dialler *d);
const struct tls_facts *dialler_tls(const struct dialler *d);
bool dialler_relay(const struct dialler *d);		      /* the connections lead to relays */
const struct digest *dialler_sample(const struct dialler *d); /* NULL: none was read */
const struct ids *dialler_ids(const struct dialler *d);	      /* likewise */
uid_t dialler_unix_uid(const struct dialler *d);	      /* of a Unix socket's server */

/* Moves the next connection out: a descriptor for the caller to own, or -1 when none is left. */
int dialler_take(struct dialler *d);

#endif
