/* SPDX-License-Identifier: MIT */
/* Every TLS error, as one sentence that tells the user what to do. */
#include <errno.h>
#include <string.h>

#include "worker/tls/private.h"

static bool self_signed(struct tls *t)
{
	unsigned n = 0;
	const gnutls_datum_t *list = t->lib->certificate_get_peers(t->session, &n);
	gnutls_x509_crt_t crt = n == 1 ? tls_lib_import(t->lib, list) : NULL;
	bool ret = false;

	if (crt) {
		ret = t->lib->x509_crt_check_issuer(crt, crt) == 1;
		t->lib->x509_crt_deinit(crt);
	}
	return ret;
}

/* The most informative of several possible reasons. */
int tls_explain_certificate(struct tls *t, unsigned status, struct err *err)
{
	if (status & GNUTLS_CERT_REVOKED)
		return err_set(err, ERR_PERMANENT, EKEYREVOKED,
			       "the server's certificate has been revoked by its authority");
	if (status & GNUTLS_CERT_SIGNER_NOT_FOUND && self_signed(t))
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server's certificate is self-signed and not among the trusted "
			       "ones");
	if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA))
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server's certificate is not signed by a trusted authority "
			       "(--tls-ca names the trusted ones)");
	if (status & GNUTLS_CERT_EXPIRED)
		return err_set(err, ERR_PERMANENT, EKEYEXPIRED,
			       "the server's certificate, or that of its authority, has expired");
	if (status & GNUTLS_CERT_NOT_ACTIVATED)
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server's certificate is not valid yet: is the clock right?");
	if (status & GNUTLS_CERT_UNEXPECTED_OWNER)
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server's certificate is for another name than %s: if it is the "
			       "right server, give the name in the certificate with --tls-hostname",
			       t->job.hostname);
	if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server's certificate was issued for another purpose, such as "
			       "for clients or for signing code: a server needs one whose extended "
			       "key usage, if it has any, includes TLS servers (serverAuth)");
	if (status & GNUTLS_CERT_INSECURE_ALGORITHM)
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server's certificate, or that of one of its authorities, is "
			       "too weak: RSA needs a key of 2048 bits, and signatures need "
			       "SHA-256; it must be issued again");
	return err_set(err, ERR_PERMANENT, EKEYREJECTED,
		       "the server's certificate is not valid (GnuTLS's status 0x%x)", status);
}

/* What the server says about us, last. */
static int explain_alert(struct tls *t, const char *doing, struct err *err)
{
	gnutls_alert_description_t alert = t->lib->alert_get(t->session);
	const char *name = t->lib->alert_get_name(alert);

	name = name ? name : "unknown";
	switch ((int)alert) {
	case GNUTLS_A_CERTIFICATE_REQUIRED:
		return err_set(
		    err, ERR_PERMANENT, EKEYREJECTED,
		    "the server requires a client certificate: use --tls-cert and --tls-key");
	case GNUTLS_A_BAD_CERTIFICATE:
	case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
	case GNUTLS_A_CERTIFICATE_REVOKED:
	case GNUTLS_A_CERTIFICATE_EXPIRED:
	case GNUTLS_A_CERTIFICATE_UNKNOWN:
	case GNUTLS_A_UNKNOWN_CA:
	case GNUTLS_A_ACCESS_DENIED:
		if (t->x509 && !t->has_certificate)
			return err_set(err, ERR_PERMANENT, EKEYREJECTED,
				       "the server requires a client certificate (--tls-cert and "
				       "--tls-key): it says \"%s\"",
				       name);
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server does not accept our certificate: it says \"%s\"", name);
	case GNUTLS_A_UNKNOWN_PSK_IDENTITY:
	case GNUTLS_A_DECRYPT_ERROR:
	case GNUTLS_A_BAD_RECORD_MAC:
	case GNUTLS_A_ILLEGAL_PARAMETER:
		if (t->psk)
			return err_set(err, ERR_PERMANENT, EKEYREJECTED,
				       "the server does not know this user name, or has another "
				       "key for it: it says \"%s\"",
				       name);
		break;
	case GNUTLS_A_HANDSHAKE_FAILURE:
	case GNUTLS_A_INSUFFICIENT_SECURITY:
	case GNUTLS_A_PROTOCOL_VERSION:
		return err_set(
		    err, ERR_PERMANENT, EPROTO,
		    "the server and nbd-attach have no TLS version, cipher and method of "
		    "authentication (certificate or shared key) in common%s: it says \"%s\"",
		    t->x509 && !t->has_certificate ? ", or it requires a client certificate" : "",
		    name);
	default:
		break;
	}
	return err_set(err, ERR_PERMANENT, EPROTO, "the server ended TLS %s: it says \"%s\"", doing,
		       name);
}

/*
 * Servers such as nbdkit often refuse by closing the connection. That is not an outage: the next
 * attempt ends in the same way.
 */
static int explain_end(struct tls *t, const char *doing, struct err *err)
{
	if (t->psk)
		return err_set(err, ERR_PERMANENT, ECONNRESET,
			       "the server closed the connection %s: it may not know this user "
			       "name, or have another key for it",
			       doing);
	if (t->spoken && t->x509)
		return err_set(err, ERR_PERMANENT, ECONNRESET,
			       "the server closed the connection %s: it may %s", doing,
			       t->has_certificate
				   ? "not accept our certificate"
				   : "require a client certificate (--tls-cert, --tls-key)");
	return err_set(err, ERR_RETRY, ECONNRESET, "the server closed the connection %s", doing);
}

int tls_explain(struct tls *t, int code, const char *doing, struct err *err)
{
	switch (code) {
	case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
		*err = t->verify_err;
		return -EKEYREJECTED;
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return explain_alert(t, doing, err);
	case GNUTLS_E_PUSH_ERROR:
	case GNUTLS_E_PULL_ERROR:
		if (!t->heard && (t->wire_ret == -ECONNRESET || t->wire_ret == -EPIPE))
			return explain_end(t, doing, err);
		if (t->wire_ret == -ETIMEDOUT)
			return err_set(err, ERR_RETRY, ETIMEDOUT,
				       "the server did not finish the handshake in time");
		return err_errno(err, ERR_RETRY, t->wire_ret ? -t->wire_ret : EIO,
				 "the connection broke %s", doing);
	case GNUTLS_E_PREMATURE_TERMINATION:
		return explain_end(t, doing, err);
	case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
		return err_set(err, ERR_PERMANENT, EPROTO,
			       "the server does not authenticate with %s",
			       t->x509 ? "a certificate"
				       : "a shared key: --tls-ca is for "
					 "certificates");
	case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
	case GNUTLS_E_UNEXPECTED_PACKET:
	case GNUTLS_E_RECORD_OVERFLOW:
	case GNUTLS_E_UNEXPECTED_HANDSHAKE_PACKET:
		return err_set(err, ERR_PERMANENT, EPROTO,
			       "what was received %s is not TLS: the server is broken, or somebody "
			       "in between answers in its place (%s)",
			       doing, t->lib->strerror(code));
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
		return err_set(err, ERR_PERMANENT, EKEYREJECTED, "the server has no certificate");
	default:
		return err_set(err, ERR_PERMANENT, EPROTO, "TLS failed %s: %s", doing,
			       t->lib->strerror(code));
	}
}
