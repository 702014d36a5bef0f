/* SPDX-License-Identifier: MIT */
/*
 * Connects to the first of a list of addresses that answers, in the manner of RFC 8305: one
 * after the other, 250 ms apart or at once when one fails; the first to connect wins. Done in
 * the calling process, with its rights, without reading a byte. Never blocks (a Unix socket's
 * path on a dead network file system excepted). There is no time limit: the caller frees it.
 */
#ifndef TRANSPORT_DIAL_H
#define TRANSPORT_DIAL_H

#include "base/err.h"
#include "base/loop.h"
#include "base/text.h"
#include "endpoint/address.h"
#include "transport/sockopts.h"

struct dial;

/*
 * Called once, from the loop, never from dial_new(). ret 0: fd is the connected socket (the
 * callee's, non-blocking), *peer the address dialled. -errno: every address failed; *err names
 * them. It may free the dial.
 */
typedef void dial_done_fn(int ret, int fd, const struct address *peer, const struct err *err,
			  void *arg);

struct dial_config {			      /* all of it is copied */
	const char *what;		      /* names the endpoint for people */
	const struct address_list *addresses; /* at least one */
	const struct source *source;
	uint32_t peer_timeout_ms; /* see sockopts_socket(); 0: the default */
};

int dial_new(struct loop *loop, const struct dial_config *cfg, dial_done_fn *done, void *arg,
	     struct dial **ret_dial, struct err *err);
void dial_free(struct dial *d); /* accepts NULL */

/* Appends the failures so far: `[::1]:10809: Connection refused; ...`. False: nothing. */
bool dial_failures(const struct dial *d, struct text *t);

/* True if this address has failed. It remains known until dial_free(). */
bool dial_failed(const struct dial *d, const struct address *a);

#endif
