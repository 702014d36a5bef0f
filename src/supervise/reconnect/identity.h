/* SPDX-License-Identifier: MIT */
/*
 * Compares the export that answers now with the one that was attached, before a socket reaches the
 * kernel, which compares nothing. Pure: no side effects.
 */
#ifndef SUPERVISE_RECONNECT_IDENTITY_H
#define SUPERVISE_RECONNECT_IDENTITY_H

#include <stdint.h>

#include "base/err.h"
#include "nbd/export.h"
#include "supervise/attach/plan.h"

/* The changes that the user accepts (--accept). Bits. */
enum identity_accept {
	ACCEPT_SMALLER = 1 << 0,   /* the export shrank */
	ACCEPT_READ_ONLY = 1 << 1, /* it can no longer be written: writes will fail */
	ACCEPT_FEATURES = 1 << 2,  /* it lost flush, FUA, trim or zeroes: those requests fail */
	ACCEPT_NAME = 1 << 3,	   /* the server reports another name */
	ACCEPT_CONTENT = 1 << 4,   /* another content, where that is compared: see content.c */
};

/* The words of --accept for each bit, NULL at the end; bit i is words[i]. */
extern const char *const identity_words[];

/*
 * `known` is the export as it was attached with `plan`, `name` its attachment_name(), `now` is that
 * of a new handshake. 0 if a connection to `now` may serve the device; *ret_size is then the size
 * that the device should have (larger than plan->size: grow it once it is healthy). -ESTALE with
 * ERR_PERMANENT and a sentence that says what changed and which --accept allows it.
 */
int identity_check(const struct plan *plan, const struct nbd_export *known, const char *name,
		   const struct nbd_export *now, unsigned accept, uint64_t *ret_size,
		   struct err *err);

#endif
