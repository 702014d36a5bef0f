/* SPDX-License-Identifier: MIT */
/*
 * Parses what a user writes into a struct endpoint: an NBD URI (doc/uri.md of
 * NetworkBlockDevice/nbd), a host and its companions as words, or the path of a Unix socket.
 *
 * Each function returns 0 and fills *ret_endpoint, which the caller frees with endpoint_done()
 * and whose earlier content is not looked at; or -EINVAL with an ERR_USAGE sentence, or -ENOMEM,
 * and *ret_endpoint is untouched. Nothing blocks beyond one stat(2) for a name that looks like an
 * image file. Foreign text in errors is escaped; a password is never repeated.
 *
 * Where uri.md leaves a choice:
 *  - nbd:// means no TLS, not TLS if the server happens to offer it, so every tls-* parameter
 *    and a user name need an nbds scheme: written by mistake they must not be dropped silently.
 *  - Unknown parameters are refused by name, except x-*, which uri.md sets aside for
 *    experiments and which are ignored. A parameter may be given once.
 *  - A TCP URI must name a host; nbd+vsock without one means CID 2, the hypervisor; a Unix URI
 *    must not name one (`nbd+unix://export?socket=...` lacks a slash and is refused as such).
 *  - `+` stands for itself (RFC 3986), `;` separates nothing, a fragment is refused.
 *  - tls-certificates and tls-psk-file, and the vsock schemes, mean what they mean to libnbd.
 *  - Host names are kept in lower case, IPv6 addresses in the form of RFC 5952; a scope is
 *    written %25eth0 (RFC 6874) and kept as %eth0.
 */
#ifndef ENDPOINT_URI_H
#define ENDPOINT_URI_H

#include <stdbool.h>

#include "base/err.h"
#include "endpoint/endpoint.h"

/* Longer text is refused: three bytes for each of an export name's 4096, and room for the rest. */
#define URI_TEXT_MAX 16384

/* True for text that is meant as a URI of whatever scheme: it holds `://` or starts as an nbd+ or
 * nbds+ scheme does. */
bool uri_is_meant(const char *text);

int uri_parse(const char *text, struct endpoint *ret_endpoint, struct err *err);

/*
 * host: a name, an IPv4 or IPv6 literal, [IPv6], each with :PORT but the bare IPv6; or a URI. port:
 * a decimal number as text, or NULL. export_name: NULL or "" is the default export. A URI contains
 * the port and the export, so neither may be given with a URI.
 */
int uri_positional(const char *host, const char *port, const char *export_name,
		   struct endpoint *ret_endpoint, struct err *err);

/* path: a socket in the file system. Abstract sockets are written as URIs. */
int uri_unix(const char *path, const char *export_name, struct endpoint *ret_endpoint,
	     struct err *err);

#endif
