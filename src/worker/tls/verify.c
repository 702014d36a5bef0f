/* SPDX-License-Identifier: MIT */
/*
 * Verifies the server's identity. GnuTLS verifies the chain, the purpose and the name; this file
 * refuses what GnuTLS silently accepts: weak keys, a name that is only a common name, and lists of
 * revoked certificates that cannot tell (expired, partial, or of another authority).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "worker/tls/private.h"

/* RSA of 2048 bits, SHA-256 (RFC 9325 section 4.5), whatever the priority string says. */
#define VERIFY_FLAGS GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM)

#define CHAIN_MAX 16 /* certificates; GnuTLS takes no longer chain either */

#define OID_DELTA_CRL "2.5.29.27" /* RFC 5280 section 5.2.4 */

#define NAME_MAX_SHOWN 256 /* bytes of a distinguished name in a message */

struct name {
	char text[NAME_MAX_SHOWN * 4 + 1];
};

static struct name printable(const char *raw)
{
	struct name name;
	struct text t;

	text_init(&t, name.text, sizeof(name.text));
	text_escape(&t, raw, strlen(raw), NAME_MAX_SHOWN);
	return name;
}

static struct name list_issuer(const struct tls *t, gnutls_x509_crl_t crl)
{
	char raw[NAME_MAX_SHOWN] = "";
	size_t len = sizeof(raw);

	if (t->lib->x509_crl_get_issuer_dn(crl, raw, &len) < 0)
		strcpy(raw, "an authority without a readable name");
	return printable(raw);
}

static struct name subject(const struct tls *t, gnutls_x509_crt_t crt)
{
	char raw[NAME_MAX_SHOWN] = "";
	size_t len = sizeof(raw);

	if (t->lib->x509_crt_get_dn(crt, raw, &len) < 0 || !raw[0])
		strcpy(raw, "without a readable name");
	return printable(raw);
}

/* A delta names only what is new since the full list. */
static bool is_delta(const struct tls *t, gnutls_x509_crl_t crl)
{
	char oid[128];
	size_t len = sizeof(oid);
	unsigned critical;

	for (unsigned i = 0; t->lib->x509_crl_get_extension_info(crl, i, oid, &len, &critical) >= 0;
	     i++) {
		if (strcmp(oid, OID_DELTA_CRL) == 0)
			return true;
		len = sizeof(oid);
	}
	return false;
}

/*
 * gmtime(3) would read the time zone's file, which the sandbox does not allow. The year begins in
 * March here, so that a leap day is its last; 400 years have 146097 days.
 */
static struct name date(time_t when)
{
	long long days = when / 86400 + 719468, n = days % 146097;
	long long year = (n - n / 1460 + n / 36524 - n / 146096) / 365;
	long long month, day;
	struct name name;

	n -= 365 * year + year / 4 - year / 100;
	month = (5 * n + 2) / 153;
	day = n - (153 * month + 2) / 5 + 1;
	month += month < 10 ? 3 : -9;
	year += days / 146097 * 400 + (month <= 2);
	snprintf(name.text, sizeof(name.text), "%lld-%02lld-%02lld", year, month, day);
	return name;
}

static int check_list(const struct tls *t, gnutls_x509_crl_t crl, struct err *err)
{
	const char *path = t->path[TLS_FILE_CRL];
	time_t now = time(NULL), next = t->lib->x509_crl_get_next_update(crl);
	time_t since = t->lib->x509_crl_get_this_update(crl);

	if (is_delta(t, crl))
		return err_set(
		    err, ERR_USAGE, EINVAL,
		    "%s: the list of revoked certificates of %s has only the changes since another "
		    "list (it is a delta list): --tls-crl needs the full list",
		    path, list_issuer(t, crl).text);
	/* This error ends with time, or when the clock is set: no file needs to be changed. */
	if (since > now)
		return err_set(err, ERR_RETRY, EKEYREJECTED,
			       "%s: the list of revoked certificates of %s is from the future "
			       "(%s): is the clock right?",
			       path, list_issuer(t, crl).text, date(since).text);
	/* RFC 5280 requires this date. A list without it never becomes too old. */
	if (next != (time_t)-1 && next < now)
		return err_set(
		    err, ERR_USAGE, EKEYEXPIRED,
		    "%s: the list of revoked certificates of %s is too old: a new list was due on "
		    "%s, and what was revoked since is not known: fetch the new list",
		    path, list_issuer(t, crl).text, date(next).text);
	return 0;
}

static int load_lists(struct tls *t, const gnutls_datum_t *crl, struct err *err)
{
	int ret = 0, code;

	if (crl->size == 0)
		return 0;
	code = t->lib->x509_crl_list_import2(&t->crls, &t->n_crls, crl, GNUTLS_X509_FMT_PEM, 0);
	if (code < 0 || t->n_crls == 0)
		return err_set(err, ERR_USAGE, EINVAL,
			       "%s contains no list of revoked certificates in PEM form, or is cut "
			       "off: fetch it again (%s)",
			       t->path[TLS_FILE_CRL], t->lib->strerror(code));
	for (unsigned i = 0; ret == 0 && i < t->n_crls; i++)
		ret = check_list(t, t->crls[i], err);
	return ret;
}

int tls_trust_set(struct tls *t, const gnutls_datum_t *ca, const gnutls_datum_t *crl,
		  struct err *err)
{
	int code = t->lib->x509_crt_list_import2(&t->cas, &t->n_cas, ca, GNUTLS_X509_FMT_PEM, 0);

	if (code < 0 || t->n_cas == 0)
		return err_set(err, ERR_USAGE, EINVAL,
			       "%s, the file of trusted authorities, contains no certificate in "
			       "PEM form, or is cut off (%s)",
			       t->path[TLS_FILE_CA], t->lib->strerror(code));
	if (t->lib->x509_trust_list_init(&t->trust, 0) < 0 ||
	    t->lib->x509_trust_list_add_cas(t->trust, t->cas, t->n_cas, 0) < (int)t->n_cas)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory for the trusted authorities");
	t->lib->certificate_set_trust_list(t->x509, t->trust, 0);
	return load_lists(t, crl, err);
}

/* The certificates from the server, its own one first. */
struct chain {
	gnutls_x509_crt_t crt[CHAIN_MAX];
	unsigned n;
};

static void chain_done(const struct tls *t, struct chain *c)
{
	while (c->n > 0)
		t->lib->x509_crt_deinit(c->crt[--c->n]);
}

static int chain_get(const struct tls *t, struct chain *c, struct err *err)
{
	unsigned n = 0;
	const gnutls_datum_t *list = t->lib->certificate_get_peers(t->session, &n);

	if (!list || n == 0)
		return err_set(err, ERR_PERMANENT, EKEYREJECTED, "the server has no certificate");
	if (n > CHAIN_MAX)
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server sends %u certificates; at most %d are accepted, "
			       "including those of its authorities",
			       n, CHAIN_MAX);
	while (c->n < n) {
		c->crt[c->n] = tls_lib_import(t->lib, &list[c->n]);
		if (!c->crt[c->n])
			return err_set(err, ERR_PERMANENT, EKEYREJECTED,
				       "the server sends something that is not a certificate");
		c->n++;
	}
	return 0;
}

static bool is_trusted(const struct tls *t, gnutls_x509_crt_t crt)
{
	for (unsigned i = 0; i < t->n_cas; i++)
		if (t->lib->x509_crt_equals(crt, t->cas[i]))
			return true;
	return false;
}

/* By name and by signature: a name alone proves nothing. */
static bool has_signed(const struct tls *t, gnutls_x509_crt_t issuer, gnutls_x509_crt_t crt)
{
	unsigned status = 0;

	return t->lib->x509_crt_check_issuer(crt, issuer) == 1 &&
	       t->lib->x509_crt_verify(crt, &issuer, 1, 0, &status) >= 0 && status == 0;
}

/* NULL: none has. A trusted authority is preferred to a certificate that the server sends. */
static gnutls_x509_crt_t find_signer(const struct tls *t, const struct chain *c,
				     gnutls_x509_crt_t crt)
{
	for (unsigned i = 0; i < t->n_cas; i++)
		if (has_signed(t, t->cas[i], crt))
			return t->cas[i];
	for (unsigned i = 0; i < c->n; i++)
		if (c->crt[i] != crt && has_signed(t, c->crt[i], crt))
			return c->crt[i];
	return NULL;
}

/* At least one list must come from the certificate's authority, and none may name it. */
static int check_revocation(const struct tls *t, gnutls_x509_crt_t crt, gnutls_x509_crt_t signer,
			    struct err *err)
{
	bool any = false;

	for (unsigned i = 0; i < t->n_crls; i++) {
		unsigned status = 0;

		if (t->lib->x509_crl_check_issuer(t->crls[i], signer) != 1 ||
		    t->lib->x509_crl_verify(t->crls[i], &signer, 1, VERIFY_FLAGS, &status) < 0 ||
		    status != 0)
			continue;
		if (t->lib->x509_crt_check_revocation(crt, &t->crls[i], 1) != 0)
			return err_set(err, ERR_PERMANENT, EKEYREVOKED,
				       "the server's certificate, or that of an intermediate "
				       "authority, has been revoked: %s",
				       subject(t, crt).text);
		any = true;
	}
	if (any)
		return 0;
	return err_set(
	    err, ERR_PERMANENT, EKEYREJECTED,
	    "%s contains no list of revoked certificates signed by %s, so it is not known whether "
	    "its certificate %s has been revoked: add that authority's list",
	    t->path[TLS_FILE_CRL], subject(t, signer).text, subject(t, crt).text);
}

/* From the server's certificate up to the trusted one, which cannot be revoked. */
static int check_chain(const struct tls *t, const struct chain *c, struct err *err)
{
	gnutls_x509_crt_t crt = c->crt[0];

	for (unsigned depth = 0; depth <= CHAIN_MAX && !is_trusted(t, crt); depth++) {
		gnutls_x509_crt_t signer = find_signer(t, c, crt);
		int ret;

		if (!signer)
			break;
		ret = check_revocation(t, crt, signer, err);
		if (ret < 0)
			return ret;
		crt = signer;
	}
	if (is_trusted(t, crt))
		return 0;
	return err_set(err, ERR_PERMANENT, EKEYREJECTED,
		       "the chain from the server's certificate to a trusted authority is "
		       "ambiguous, so --tls-crl cannot tell whether it was revoked");
}

/* Without one GnuTLS takes the common name, which authorities do not check as a name. */
static bool has_dns_name(const struct tls *t, gnutls_x509_crt_t crt)
{
	char name[512];
	int type;

	for (unsigned i = 0;; i++) {
		size_t len = sizeof(name);

		type = t->lib->x509_crt_get_subject_alt_name(crt, i, name, &len, NULL);
		if (type == GNUTLS_SAN_DNSNAME)
			return true;
		if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER)
			return false;
	}
}

/* The verification as GnuTLS does it, with its flags (--tls-priority may be stricter) and ours. */
static int verify_chain(struct tls *t, const struct chain *c, struct err *err)
{
	uint8_t address[sizeof(struct in6_addr)];
	char *host = t->job.hostname;
	gnutls_typed_vdata_st wanted[] = {
	    {.type = GNUTLS_DT_DNS_HOSTNAME, .data = (uint8_t *)host},
	    {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (uint8_t *)GNUTLS_KP_TLS_WWW_SERVER},
	};
	gnutls_x509_crt_t crt[CHAIN_MAX]; /* GnuTLS may sort them */
	unsigned status = 0, strict = 0;
	size_t len = inet_pton(AF_INET, host, address) == 1    ? sizeof(struct in_addr)
		     : inet_pton(AF_INET6, host, address) == 1 ? sizeof(struct in6_addr)
							       : 0;
	int code;

	if (len)
		wanted[0] = (gnutls_typed_vdata_st){
		    .type = GNUTLS_DT_IP_ADDRESS, .data = address, .size = (unsigned)len};
	memcpy(crt, c->crt, sizeof(crt));
	code = t->lib->certificate_verify_peers(t->session, wanted, 2, &status);
	if (code >= 0)
		code = t->lib->x509_trust_list_verify_crt2(t->trust, crt, c->n, wanted, 2,
							   VERIFY_FLAGS, &strict, NULL);
	if (code < 0)
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server's certificate cannot be verified: %s",
			       t->lib->strerror(code));
	if (status | strict)
		return tls_explain_certificate(t, status | strict, err);
	if (!len && !has_dns_name(t, c->crt[0]))
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server's certificate has the name %s only as its common name, "
			       "which clients need not check: it must be issued again with a "
			       "subjectAltName (DNS:%s)",
			       host, host);
	return 0;
}

static int verify(struct tls *t, struct err *err)
{
	struct chain chain = {.n = 0};
	int ret = chain_get(t, &chain, err);

	if (ret == 0)
		ret = verify_chain(t, &chain, err);
	if (ret == 0 && t->n_crls)
		ret = check_chain(t, &chain, err);
	chain_done(t, &chain);
	return ret;
}

/* GnuTLS's function, which the callback needs before it knows a struct tls: it never changes. */
static __typeof__(gnutls_session_get_ptr) *pointer_of;

/* Runs within the handshake, before anything of ours is sent that only the server may see. */
static int on_certificate(gnutls_session_t session)
{
	struct tls *t = pointer_of(session);

	t->verified = verify(t, &t->verify_err) == 0;
	return t->verified ? 0 : GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
}

void tls_verify_start(struct tls *t)
{
	pointer_of = t->lib->session_get_ptr;
	t->lib->session_set_ptr(t->session, t);
	t->lib->session_set_verify_function(t->session, on_certificate);
}
