/* SPDX-License-Identifier: MIT */
/*
 * Facts about the server in use that do not change the device: its TLS, and whether it supports
 * flush. Warns the user about them. Nothing blocks.
 */
#ifndef SUPERVISE_REPORT_SERVING_H
#define SUPERVISE_REPORT_SERVING_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint/endpoint.h"
#include "runtime/state.h"
#include "supervise/attachment.h"
#include "worker/tls/values.h"

struct serving {
	struct state_tls tls;
	bool flushes; /* it offers a flush, whatever the device does */
};

/* How a connection to the server `e` was made; `relay`: it leads to a relay. */
void serving_note_tls(struct serving *v, const struct attachment *at, const struct endpoint *e,
		      const struct tls_facts *tls, bool relay);

/* The flags of a server that is about to serve: warns if its flush differs from the device's. */
void serving_note_flush(struct serving *v, const struct attachment *at, uint16_t flags);

void serving_report(const struct serving *v, struct state *ret_state);

#endif
