/* SPDX-License-Identifier: MIT */
/* What the files of TLS share: session.c is the session, credentials.c who we are and whom we
 * trust, verify.c whether the server is the right one, explain.c every way to fail as a sentence,
 * kernel.c the hand-over, stream.c the relay's way. */
#ifndef WORKER_TLS_PRIVATE_H
#define WORKER_TLS_PRIVATE_H

#include <stddef.h>

#include "transport/tls-files.h"
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
	/* With job.verify: the trusted authorities, and their revocations (0: no --tls-crl). */
	gnutls_x509_trust_list_t trust;
	gnutls_x509_crt_t *cas;
	gnutls_x509_crl_t *crls;
	unsigned n_cas, n_crls;
	bool verified;
	struct err verify_err;		      /* if it is not */
	char path[TLS_FILES][TLS_PATH_SHOWN]; /* of each file, for messages; "": there is none */
	bool has_certificate;		      /* of our own */
	bool up;			      /* the handshake is over */
	bool spoken;			      /* a record's header has come from the peer */
	bool heard;			      /* bytes of the peer's have come through TLS */
	int wire_ret;			      /* -errno of the socket, behind GnuTLS's error */
	struct relay_buffer *in, *out;	      /* tls-stream.c: in place of the socket */
	/* Where in the stream of records the socket is. */
	uint8_t header[TLS_RECORD_HEADER];
	size_t header_have;
	size_t body; /* bytes of the record that are still to come */
};

/* Credentials into t->session. As tls_new(). */
int tls_credentials_set(struct tls *t, int contents, struct err *err);

/*
 * Takes the trusted authorities and their lists of revoked certificates, both in PEM form. 0, or
 * -errno with *err: USAGE (a file does not hold what it should, or a list is too old), RETRY (a
 * list is from the future), SYSTEM.
 */
int tls_trust_set(struct tls *t, const gnutls_datum_t *ca, const gnutls_datum_t *crl,
		  struct err *err);

/* From now on the handshake fails unless the server is the right one: see t->verified. */
void tls_verify_start(struct tls *t);

/* What GnuTLS says about the server's certificate, not 0, as a sentence; returns -errno. */
int tls_explain_certificate(struct tls *t, unsigned status, struct err *err);

/* A GnuTLS error as a sentence; returns -errno. `doing`: "during the TLS handshake". */
int tls_explain(struct tls *t, int code, const char *doing, struct err *err);

#endif
