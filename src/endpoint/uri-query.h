/* SPDX-License-Identifier: MIT */
/*
 * The part of a URI after the question mark, and checks of its parameters in combination
 * (endpoint/uri.h says which there are). Nothing blocks.
 */
#ifndef ENDPOINT_URI_QUERY_H
#define ENDPOINT_URI_QUERY_H

#include <stddef.h>

#include "base/err.h"
#include "endpoint/endpoint.h"

/*
 * query: len bytes that passed for RFC 3986, still percent-encoded; may be NULL with len 0. Fills
 * the fields of *e that parameters set; type and tls of *e are read. Errors as in
 * endpoint/uri-parts.h.
 */
int query_parse(const char *query, size_t len, struct endpoint *e, struct err *err);

#endif
