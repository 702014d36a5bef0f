/* SPDX-License-Identifier: MIT */
/*
 * What an attempt says when its time has run out: one sentence for each thing that it can be
 * waiting for, with what may be wrong there. `what` names the server for people, and `ms` is the
 * time that was allowed. Each one is an ERR_RETRY. Nothing blocks.
 */
#ifndef TRANSPORT_LATE_H
#define TRANSPORT_LATE_H

#include <stdint.h>

#include "base/err.h"
#include "endpoint/endpoint.h"
#include "transport/dial.h"

void late_lookup(const char *what, uint64_t ms, struct err *err);

/* With the addresses that have refused the connection meanwhile. */
void late_connection(const char *what, const struct dial *d, uint64_t ms, struct err *err);

/* The certificates and keys of the endpoint, which are read from this machine. */
void late_keys(const char *what, const struct endpoint *e, uint64_t ms, struct err *err);

void late_answer(const char *what, uint64_t ms, struct err *err);

#endif
