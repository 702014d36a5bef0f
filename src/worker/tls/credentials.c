/* SPDX-License-Identifier: MIT */
/* Who we are and whom we trust, from the sealed memory into GnuTLS. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/tls-files.h"
#include "worker/tls/private.h"

#define FILES_MAX ((size_t)TLS_FILES * TLS_FILE_MAX)

/* The contents of all files one after the other, with a NUL at the end. */
struct contents {
	gnutls_datum_t file[TLS_FILES];
	unsigned char *bytes;
	size_t len;
};

static int load(struct tls *t, int fd, struct contents *c, struct err *err)
{
	struct tls_contents head;
	size_t have = 0;
	ssize_t n = pread(fd, &head, sizeof(head), 0);

	for (size_t i = 0; n == (ssize_t)sizeof(head) && i < TLS_FILES; i++)
		c->len += head.len[i];
	if (n != (ssize_t)sizeof(head) || c->len > FILES_MAX)
		return err_set(err, ERR_SYSTEM, EPROTO, "the keys were not received");
	c->bytes = malloc(c->len + 1);
	if (!c->bytes)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory for the keys");
	while (have < c->len) {
		n = pread(fd, c->bytes + have, c->len - have, (off_t)(sizeof(head) + have));
		if (n <= 0)
			return err_set(err, ERR_SYSTEM, EPROTO, "the keys were not received");
		have += (size_t)n;
	}
	c->bytes[c->len] = '\0';
	memcpy(t->path, head.path, sizeof(t->path));
	have = 0;
	for (size_t i = 0; i < TLS_FILES; i++) {
		c->file[i] = (gnutls_datum_t){c->bytes + have, head.len[i]};
		have += head.len[i];
	}
	return 0;
}

static int set_x509(struct tls *t, const struct contents *c, struct err *err)
{
	const gnutls_datum_t *cert = &c->file[TLS_FILE_CERT], *key = &c->file[TLS_FILE_KEY];
	int ret, code = t->lib->certificate_allocate_credentials(&t->x509);

	if (code < 0)
		return err_set(err, ERR_SYSTEM, ENOMEM, "GnuTLS: %s", t->lib->strerror(code));
	ret = t->job.verify ? tls_trust_set(t, &c->file[TLS_FILE_CA], &c->file[TLS_FILE_CRL], err)
			    : 0;
	if (ret < 0)
		return ret;
	if (cert->size) {
		code =
		    t->lib->certificate_set_x509_key_mem(t->x509, cert, key, GNUTLS_X509_FMT_PEM);
		if (code < 0)
			return err_set(err, ERR_USAGE, EINVAL,
				       "the client certificate and its key cannot be used (are "
				       "they in PEM form, not encrypted, and a matching pair?): %s",
				       t->lib->strerror(code));
		t->has_certificate = true;
	}
	t->lib->credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->x509);
	return 0;
}

#define PSK_BYTES_MIN 16

/* A line NAME:HEX; blank lines and comments are passed over. */
struct psk_line {
	const char *name, *key;
	size_t name_len, key_len;
};

static bool next_line(const char **at, struct psk_line *ret_line)
{
	while (**at) {
		const char *s = *at;
		size_t len = strcspn(s, "\r\n"), name = strcspn(s, ":\r\n");

		*at = s + len;
		*at += strspn(*at, "\r\n");
		if (len == 0 || *s == '#' || name == len)
			continue;
		*ret_line = (struct psk_line){s, s + name + 1, name, len - name - 1};
		return true;
	}
	return false;
}

static int find_psk(const struct tls *t, const char *text, struct psk_line *ret_line,
		    struct err *err)
{
	const char *user = t->job.username;
	struct psk_line line;
	unsigned found = 0;

	while (next_line(&text, &line)) {
		if (user[0] &&
		    (line.name_len != strlen(user) || memcmp(line.name, user, line.name_len) != 0))
			continue;
		if (found++ == 0)
			*ret_line = line;
	}
	if (found == 0 && user[0])
		return err_set(err, ERR_USAGE, ENOENT,
			       "the file of shared keys has no line for the user name %.64s", user);
	if (found == 0)
		return err_set(err, ERR_USAGE, ENOENT,
			       "the file of shared keys has no line of the form NAME:HEX");
	if (found > 1)
		return err_set(
		    err, ERR_USAGE, EINVAL,
		    user[0]
			? "the file of shared keys has several lines for the user "
			  "name"
			: "the file of shared keys holds several: choose one with --tls-username");
	return 0;
}

static int set_psk(struct tls *t, const struct contents *c, struct err *err)
{
	struct psk_line line = {"", "", 0, 0};
	char name[TLS_USERNAME_MAX];
	gnutls_datum_t key;
	/* It is the last of the files, so that a NUL follows. */
	const char *text = c->file[TLS_FILE_PSK].size ? (char *)c->file[TLS_FILE_PSK].data : "";
	int code, ret = find_psk(t, text, &line, err);

	if (ret < 0)
		return ret;
	if (line.name_len >= sizeof(name))
		return err_set(err, ERR_USAGE, ENAMETOOLONG,
			       "a name in the file of shared keys is too long");
	memcpy(name, line.name, line.name_len);
	name[line.name_len] = '\0';
	/* RFC 9257, 7: an attacker who records a handshake can try all shorter keys. */
	if (line.key_len / 2 < PSK_BYTES_MIN) /* two digits a byte */
		return err_set(err, ERR_USAGE, EINVAL,
			       "the shared key is shorter than %d bytes and can be guessed: "
			       "psktool(1) makes a good one",
			       PSK_BYTES_MIN);
	key = (gnutls_datum_t){(unsigned char *)(uintptr_t)line.key, (unsigned)line.key_len};
	code = t->lib->psk_allocate_client_credentials(&t->psk);
	if (code >= 0)
		code = t->lib->psk_set_client_credentials(t->psk, name, &key, GNUTLS_PSK_KEY_HEX);
	if (code < 0)
		return err_set(err, ERR_USAGE, EINVAL,
			       "the shared key is not in hexadecimal, as psktool(1) writes it");
	t->lib->credentials_set(t->session, GNUTLS_CRD_PSK, t->psk);
	return 0;
}

static int set_anon(struct tls *t, struct err *err)
{
	int code = t->lib->anon_allocate_client_credentials(&t->anon);

	if (code < 0)
		return err_set(err, ERR_SYSTEM, ENOMEM, "GnuTLS: %s", t->lib->strerror(code));
	t->lib->credentials_set(t->session, GNUTLS_CRD_ANON, t->anon);
	return 0;
}

int tls_credentials_set(struct tls *t, int contents, struct err *err)
{
	struct contents c = {.bytes = NULL};
	int ret = load(t, contents, &c, err);

	if (ret == 0) {
		switch ((enum endpoint_tls_type)t->job.type) {
		case TLS_TYPE_UNSET:
		case TLS_TYPE_X509:
			ret = set_x509(t, &c, err);
			break;
		case TLS_TYPE_PSK:
			ret = set_psk(t, &c, err);
			break;
		case TLS_TYPE_ANON:
			ret = set_anon(t, err);
			break;
		}
	}
	if (c.bytes)
		explicit_bzero(c.bytes, c.len);
	free(c.bytes);
	return ret;
}
