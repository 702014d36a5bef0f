/* SPDX-License-Identifier: MIT */
#include "worker/tls/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "worker/tls/private.h"

/*
 * AEAD ciphers that the kernel knows, with ephemeral keys. ChaCha20-Poly1305 comes first because
 * in TLS 1.3 with AES-GCM GnuTLS's servers renew their key after 2^24 records, which ends a
 * connection that is in the kernel (see tls_handshake()); TLS 1.2 has no such thing.
 */
#define CIPHERS                                                                           \
	"-CIPHER-ALL:+CHACHA20-POLY1305:+AES-256-GCM:+AES-128-GCM:+AES-128-CCM:-MAC-ALL:" \
	"+AEAD"
#define VERSIONS_13_12 "-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define VERSIONS_12    "-VERS-ALL:+VERS-TLS1.2"

static const char *const key_exchanges[] = {
    [TLS_TYPE_ANON] = "-KX-ALL:+ANON-ECDH:+ANON-DH",
    [TLS_TYPE_X509] = "-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:+DHE-RSA",
    [TLS_TYPE_PSK] = "-KX-ALL:+ECDHE-PSK:+DHE-PSK",
};

static int copy_text(char *to, size_t size, const char *from, const char *what, struct err *err)
{
	if (strlen(from ? from : "") >= size)
		return err_set(err, ERR_USAGE, ENAMETOOLONG, "%s is longer than %zu bytes", what,
			       size - 1);
	snprintf(to, size, "%s", from ? from : "");
	return 0;
}

/*
 * The scope of a link-local address is ours alone; no certificate holds it. The dot at the end of
 * an absolute name is the resolver's: neither a certificate (RFC 6125, section 6.4 compares labels)
 * nor the name that is sent to the server has it (RFC 6066, section 3).
 */
static void leave_out_local_part(char *name)
{
	size_t len = strlen(name);

	if (strchr(name, ':'))
		name[strcspn(name, "%")] = '\0';
	else if (len > 1 && name[len - 1] == '.')
		name[len - 1] = '\0';
}

int tls_job_fill(struct tls_job *ret_job, const struct endpoint *e, struct err *err)
{
	const char *host = e->tls_hostname	     ? e->tls_hostname
			   : e->type == ENDPOINT_TCP ? e->host
						     : NULL;
	int ret;

	memset(ret_job, 0, sizeof(*ret_job));
	ret_job->on = e->tls;
	if (!e->tls)
		return 0;
	ret_job->type = e->tls_type == TLS_TYPE_UNSET ? TLS_TYPE_X509 : e->tls_type;
	ret_job->verify = e->tls_verify_peer && ret_job->type == TLS_TYPE_X509;
	ret = copy_text(ret_job->hostname, TLS_HOSTNAME_MAX, host, "the name for TLS", err);
	if (ret == 0)
		ret = copy_text(ret_job->username, TLS_USERNAME_MAX, e->tls_username,
				"--tls-username", err);
	if (ret == 0)
		ret = copy_text(ret_job->priority, TLS_PRIORITY_MAX, e->tls_priority,
				"--tls-priority", err);
	leave_out_local_part(ret_job->hostname);
	return ret;
}

static void track(struct tls *t, const uint8_t *buf, size_t len)
{
	if (t->body) {
		t->body -= len;
		return;
	}
	memcpy(t->header + t->header_have, buf, len);
	t->header_have += len;
	if (t->header_have < TLS_RECORD_HEADER)
		return;
	t->header_have = 0;
	t->spoken = true;
	t->body = (size_t)t->header[3] << 8 | t->header[4];
}

/* After a call that moved nothing: whether to try it again. */
static bool goes_on(struct tls *t, short events)
{
	t->wire_ret = -errno;
	if (errno == EAGAIN)
		t->wire_ret = t->wire.wait(t->wire.arg, events);
	else if (errno == EINTR)
		t->wire_ret = 0;
	return t->wire_ret >= 0;
}

static ssize_t pull(gnutls_transport_ptr_t arg, void *buf, size_t len)
{
	struct tls *t = arg;
	size_t room = t->body ? t->body : TLS_RECORD_HEADER - t->header_have;
	ssize_t n;

	len = len < room ? len : room;
	for (;;) {
		n = recv(t->wire.sock, buf, len, MSG_DONTWAIT);
		if (n > 0)
			track(t, buf, (size_t)n);
		if (n >= 0)
			return n;
		if (!goes_on(t, POLLIN))
			break;
	}
	t->lib->transport_set_errno(t->session, EIO);
	return -1;
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *buf, size_t len)
{
	struct tls *t = arg;
	ssize_t n;

	for (;;) {
		n = send(t->wire.sock, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0)
			return n;
		if (!goes_on(t, POLLOUT))
			break;
	}
	t->lib->transport_set_errno(t->session, EIO);
	return -1;
}

/* GnuTLS asks before it waits; pull() waits itself, with the caller's limit. */
static int pull_timeout(gnutls_transport_ptr_t arg, unsigned ms)
{
	(void)arg;
	(void)ms;
	return 1;
}

static int set_priority(struct tls *t, struct err *err)
{
	const struct tls_job *job = &t->job;
	char priority[TLS_PRIORITY_MAX + 256];
	const char *at = NULL;
	int code;

	if (job->priority[0])
		snprintf(priority, sizeof(priority), "%s%s%s", job->priority,
			 job->type == TLS_TYPE_X509 ? "" : ":",
			 job->type == TLS_TYPE_X509 ? "" : key_exchanges[job->type]);
	else
		snprintf(priority, sizeof(priority), "NORMAL:%s:%s:%s",
			 job->only_tls12 ? VERSIONS_12 : VERSIONS_13_12, CIPHERS,
			 key_exchanges[job->type]);
	code = t->lib->priority_set_direct(t->session, priority, &at);
	if (code < 0 && job->priority[0])
		return err_set(err, ERR_USAGE, EINVAL,
			       "GnuTLS does not understand --tls-priority from \"%.100s\" on",
			       at ? at : priority);
	if (code < 0)
		return err_set(err, ERR_SYSTEM, EINVAL, "GnuTLS lacks a feature that is needed: %s",
			       t->lib->strerror(code));
	return 0;
}

static bool is_address(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static int set_up(struct tls *t, int contents, struct err *err)
{
	const char *host = t->job.hostname;
	int ret, code = t->lib->init(&t->session, GNUTLS_CLIENT | GNUTLS_NO_TICKETS);

	if (code < 0)
		return err_set(err, ERR_SYSTEM, ENOMEM, "GnuTLS: %s", t->lib->strerror(code));
	ret = set_priority(t, err);
	if (ret == 0)
		ret = tls_credentials_set(t, contents, err);
	if (ret < 0)
		return ret;
	t->lib->transport_set_ptr(t->session, t);
	t->lib->transport_set_pull_function(t->session, pull);
	t->lib->transport_set_push_function(t->session, push);
	t->lib->transport_set_pull_timeout_function(t->session, pull_timeout);
	if (t->job.type != TLS_TYPE_X509)
		return 0;
	/* RFC 6066 section 3: no addresses. */
	if (host[0] && !is_address(host))
		t->lib->server_name_set(t->session, GNUTLS_NAME_DNS, host, strlen(host));
	if (t->job.verify)
		tls_verify_start(t);
	return 0;
}

int tls_new(const struct tls_lib *lib, const struct tls_job *job, int contents,
	    const struct tls_wire *wire, struct tls **ret_tls, struct err *err)
{
	struct tls *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory");
	t->lib = lib;
	t->job = *job;
	t->wire = *wire;
	/*
	 * Without the name, the chain could be verified, but not that the server is the right one.
	 */
	if (job->verify && !job->hostname[0])
		ret = err_set(err, ERR_USAGE, EINVAL,
			      "TLS needs the name of the server: --tls-hostname NAME");
	else
		ret = set_up(t, contents, err);
	if (ret < 0) {
		tls_free(t);
		return ret;
	}
	*ret_tls = t;
	return 0;
}

static bool renews_keys(const struct tls *t)
{
	gnutls_cipher_algorithm_t cipher = t->lib->cipher_get(t->session);

	return t->lib->protocol_get_version(t->session) >= GNUTLS_TLS1_3 &&
	       cipher != GNUTLS_CIPHER_CHACHA20_POLY1305;
}

int tls_handshake(struct tls *t, struct err *err)
{
	uint8_t early;
	int code;

	/* In TLS the client speaks first (proto.md: so it does after STARTTLS). */
	if (recv(t->wire.sock, &early, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return err_set(err, ERR_PERMANENT, EPROTO,
			       "unencrypted bytes followed the server's agreement to TLS: somebody "
			       "between this machine and the server may have inserted them");
	do
		code = t->lib->handshake(t->session);
	while (code < 0 && !t->lib->error_is_fatal(code));
	if (code < 0)
		return tls_explain(t, code, "during the TLS handshake", err);
	if (t->lib->protocol_get_version(t->session) < GNUTLS_TLS1_2)
		return err_set(err, ERR_PERMANENT, EPROTO,
			       "the server speaks %s; at least TLS 1.2 is required",
			       t->lib->protocol_get_name(t->lib->protocol_get_version(t->session)));
	if (t->job.verify && !t->verified)
		return err_set(err, ERR_PERMANENT, EKEYREJECTED,
			       "the server has not proved its identity");
	t->up = true;
	if (t->job.offload && !t->job.priority[0] && renews_keys(t))
		return err_set(
		    err, ERR_PERMANENT, TLS_RENEWS_KEYS,
		    "the server insists on TLS 1.3 with AES, where it may renew keys in a way that "
		    "the kernel does not support: --tls-priority can allow it");
	return 0;
}

ssize_t tls_send(struct tls *t, const void *buf, size_t len, struct err *err)
{
	ssize_t n;

	do
		n = t->lib->record_send(t->session, buf, len);
	while (n < 0 && !t->lib->error_is_fatal((int)n));
	return n < 0 ? tls_explain(t, (int)n, "after the TLS handshake", err) : n;
}

ssize_t tls_recv(struct tls *t, void *buf, size_t len, struct err *err)
{
	ssize_t n;

	/* Ignores non-fatal errors, including a request for another handshake: see tls_open(). */
	do
		n = t->lib->record_recv(t->session, buf, len);
	while (n < 0 && !t->lib->error_is_fatal((int)n));
	t->heard = t->heard || n > 0;
	if ((n == 0 || n == GNUTLS_E_PREMATURE_TERMINATION) && t->heard)
		return 0;
	if (n == 0)
		n = GNUTLS_E_PREMATURE_TERMINATION;
	return n < 0 ? tls_explain(t, (int)n, "after the TLS handshake", err) : n;
}

static int64_t expires(const struct tls *t, const gnutls_datum_t *der, char *subject, size_t size)
{
	gnutls_x509_crt_t crt = tls_lib_import(t->lib, der);
	char dn[256] = "";
	size_t len = sizeof(dn);
	int64_t when;
	struct text text;

	if (!crt)
		return 0;
	when = t->lib->x509_crt_get_expiration_time(crt);
	if (subject && t->lib->x509_crt_get_dn(crt, dn, &len) >= 0) {
		text_init(&text, subject, size);
		text_escape(&text, dn, strlen(dn), size);
	}
	t->lib->x509_crt_deinit(crt);
	/* A certificate may name a date before 1970; GnuTLS says -1 for one that it cannot read. */
	if (when < 1)
		return 1;
	return when < TLS_EXPIRES_MAX ? when : TLS_EXPIRES_MAX;
}

void tls_describe(struct tls *t, struct tls_facts *ret_facts)
{
	const struct tls_lib *lib = t->lib;
	struct tls_facts f = {.version = ""};
	unsigned n = 0;

	snprintf(f.version, sizeof(f.version), "%s",
		 lib->protocol_get_name(lib->protocol_get_version(t->session)));
	snprintf(f.cipher, sizeof(f.cipher), "%s",
		 lib->cipher_get_name(lib->cipher_get(t->session)));
	if (t->x509) {
		f.peer_expires =
		    expires(t, lib->certificate_get_peers(t->session, &n), f.peer, sizeof(f.peer));
		f.own_expires = expires(t, lib->certificate_get_ours(t->session), NULL, 0);
	}
	*ret_facts = f;
}

void tls_bye(struct tls *t)
{
	if (t->up)
		t->lib->bye(t->session, GNUTLS_SHUT_WR);
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	/* Credentials stay: they go with the process, which neither is traced nor leaves a core. */
	if (t->session)
		t->lib->deinit(t->session);
	explicit_bzero(t, sizeof(*t));
	free(t);
}
