/* SPDX-License-Identifier: MIT */
/*
 * Where an export is served: the parsed form of a URI or of the positional arguments. Owns its
 * strings; endpoint_done() frees them and leaves an empty value. Never blocks.
 */
#ifndef ENDPOINT_ENDPOINT_H
#define ENDPOINT_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBD_DEFAULT_PORT 10809 /* IANA; uri.md */

enum endpoint_type { ENDPOINT_TCP, ENDPOINT_UNIX, ENDPOINT_VSOCK };

/* tls-type of uri.md. UNSET: not in the URI; chosen by which credentials are given. */
enum endpoint_tls_type { TLS_TYPE_UNSET, TLS_TYPE_ANON, TLS_TYPE_X509, TLS_TYPE_PSK };

struct endpoint {
	enum endpoint_type type;
	char *host;    /* TCP: a name or a literal without brackets, scope kept */
	uint16_t port; /* TCP */
	char *path;    /* UNIX: path_len bytes, first is NUL for an abstract name */
	size_t path_len;
	uint32_t cid;	     /* VSOCK */
	uint32_t vsock_port; /* VSOCK */
	char *export_name;   /* never NULL once filled; "" is the default export */

	bool tls; /* nbds: fail rather than connect without TLS */
	enum endpoint_tls_type tls_type;
	bool tls_verify_peer; /* default true */
	char *tls_hostname;   /* NULL: host */
	char *tls_username;
	char *tls_certificates; /* directory */
	char *tls_psk_file;
	char *tls_ca, *tls_crl, *tls_cert, *tls_key; /* files; before those in the directory */
	char *tls_priority;			     /* GnuTLS's notation; NULL: ours */
};

/* Starts an empty TCP endpoint with the defaults of uri.md. */
void endpoint_init(struct endpoint *e);
void endpoint_done(struct endpoint *e);

/*
 * The canonical URI without secrets (no user name, no key files, no credentials directory),
 * percent-encoded so that it is one line of printable ASCII; the same endpoint always gives the
 * same text. This is the default backend identifier. The caller frees it; NULL means no memory.
 */
char *endpoint_uri(const struct endpoint *e);

/*
 * The same with everything that a URI can contain: the user name, the paths of keys. For a
 * configuration, never for the kernel or the log.
 */
char *endpoint_whole_uri(const struct endpoint *e);

/*
 * True if the kernel cannot use a connection to it directly: vsock, which nbd refuses since
 * 9f7c02e03157 (Linux 6.18, and stable kernels since October 2025), and TLS over anything but TCP
 * (the kernel's TLS is TCP's). Such a connection needs a relay.
 */
bool endpoint_needs_relay(const struct endpoint *e);

/* True if the server's identity is verified, by its certificate or by a shared key. */
bool endpoint_verifies(const struct endpoint *e);

/* With TLS but without this verification, a sentence for a warning; otherwise NULL. */
const char *endpoint_warning(const struct endpoint *e);

/* For people: `server.example:10809`, `[::1]:10809`, `unix:/run/nbd.sock`, `vsock:2:10809`;
 * escaped, cut to fit. Returns buf. */
char *endpoint_describe(const struct endpoint *e, char *buf, size_t size);

#endif
