/* SPDX-License-Identifier: MIT */
/* What the files of TLS share: tls.c is the session, tls-credentials.c who we are and whom we
 * trust, tls-explain.c every way to fail as a sentence, tls-kernel.c the hand-over, tls-stream.c
 * the relay's way. */
#ifndef WORKER_TLS_PRIVATE_H
#define WORKER_TLS_PRIVATE_H

#include <stddef.h>

#include "worker/relay-buffer.h"
#include "worker/tls/session.h"

#define TLS_RECORD_HEADER 5 /* RFC 8446 section 5.1 */

struct tls {
	const struct tls_lib *lib;
	struct tls_job job;
	struct tls_wire wire;
	gnutls_session_t session;
	gnutls_certificate_credentials_t x509;
	gnutls_psk_client_credentials_t psk;
	gnutls_anon_client_credentials_t anon;
	bool has_certificate;	       /* of our own */
	bool up;		       /* the handshake is over */
	bool spoken;		       /* a record's header has come from the peer */
	bool heard;		       /* bytes of the peer's have come through TLS */
	int wire_ret;		       /* -errno of the socket, behind GnuTLS's error */
	struct relay_buffer *in, *out; /* tls-stream.c: in place of the socket */
	/* Where in the stream of records the socket is. */
	uint8_t header[TLS_RECORD_HEADER];
	size_t header_have;
	size_t body; /* bytes of the record that are still to come */
};

/* Credentials into t->session. As tls_new(). */
int tls_credentials_set(struct tls *t, int contents, struct err *err);

/* A GnuTLS error as a sentence; returns -errno. `doing`: "during the TLS handshake". */
int tls_explain(struct tls *t, int code, const char *doing, struct err *err);

/* The certificate `der` imported, or NULL. The caller frees it with x509_crt_deinit. */
gnutls_x509_crt_t tls_import(const struct tls *t, const gnutls_datum_t *der);

#endif
