/* SPDX-License-Identifier: MIT */
/*
 * From GnuTLS to the kernel's TLS (Documentation/networking/tls.rst): the traffic keys of both
 * directions and where in the stream of records we are.
 */
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "worker/tls/private.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/*
 * The kernel's struct for each cipher is a head and then, without gaps: iv, key, salt, sequence
 * number. Only the lengths differ.
 */
#define SEQ_LEN 8

union crypto {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_256 largest;
	uint8_t bytes[sizeof(struct tls12_crypto_info_aes_gcm_256)];
};

/* Linux has it since 5.11; an older kernel refuses the number. */
#ifndef TLS_CIPHER_CHACHA20_POLY1305
#define TLS_CIPHER_CHACHA20_POLY1305 54
#endif

static const struct layout {
	gnutls_cipher_algorithm_t cipher;
	uint16_t type;
	size_t iv_len, key_len, salt_len;
} layouts[] = {
    {GNUTLS_CIPHER_AES_128_GCM, TLS_CIPHER_AES_GCM_128, 8, 16, 4},
    {GNUTLS_CIPHER_AES_256_GCM, TLS_CIPHER_AES_GCM_256, 8, 32, 4},
    {GNUTLS_CIPHER_AES_128_CCM, TLS_CIPHER_AES_CCM_128, 8, 16, 4},
    {GNUTLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_CHACHA20_POLY1305, 12, 32, 0},
};

static size_t layout_size(const struct layout *l)
{
	return sizeof(struct tls_crypto_info) + l->iv_len + l->key_len + l->salt_len + SEQ_LEN;
}

static const struct layout *find_layout(gnutls_cipher_algorithm_t cipher)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].cipher == cipher)
			return &layouts[i];
	return NULL;
}

static int fill(struct tls *t, bool receiving, const struct layout *l, union crypto *c)
{
	bool tls13 = t->lib->protocol_get_version(t->session) >= GNUTLS_TLS1_3;
	uint8_t *at = c->bytes + sizeof(c->info);
	gnutls_datum_t mac, iv, key;
	unsigned char seq[SEQ_LEN];
	const uint8_t *nonce = seq; /* of an AEAD in TLS 1.2, RFC 5288 section 3 */
	int ret = 0;

	if (t->lib->record_get_state(t->session, receiving, &mac, &iv, &key, seq) < 0)
		return -EOPNOTSUPP;
	memset(c, 0, sizeof(*c));
	c->info.version = tls13 ? TLS_1_3_VERSION : TLS_1_2_VERSION;
	c->info.cipher_type = l->type;
	if (tls13 || l->salt_len == 0) /* RFC 8446 section 5.3, RFC 7905 section 2 */
		nonce = iv.data + l->salt_len;
	if (key.size != l->key_len || iv.size < l->salt_len ||
	    (nonce != seq && iv.size != l->salt_len + l->iv_len)) {
		ret = -EOPNOTSUPP;
	} else {
		memcpy(at, nonce, l->iv_len);
		at += l->iv_len;
		memcpy(at, key.data, l->key_len);
		at += l->key_len;
		memcpy(at, iv.data, l->salt_len);
		memcpy(at + l->salt_len, seq, SEQ_LEN);
	}
	explicit_bzero(seq, sizeof(seq));
	return ret;
}

static int give(struct tls *t, bool receiving, const struct layout *l)
{
	union crypto c;
	int ret = fill(t, receiving, l, &c);

	if (ret == 0 && setsockopt(t->wire.sock, SOL_TLS, receiving ? TLS_RX : TLS_TX, &c,
				   (socklen_t)layout_size(l)) < 0)
		ret = -errno;
	explicit_bzero(&c, sizeof(c));
	return ret;
}

/*
 * What a kernel answers whose TLS lacks the cipher, the version, or the receiving direction.
 * Another connection with a relay does without; this one cannot be used any more, because the
 * kernel may have taken the keys of one direction.
 */
static bool is_unsupported(int error)
{
	return error == EINVAL || error == ENOENT || error == EOPNOTSUPP || error == ENOPROTOOPT;
}

int tls_offload(struct tls *t, struct err *err)
{
	gnutls_cipher_algorithm_t cipher = t->lib->cipher_get(t->session);
	const struct layout *l = find_layout(cipher);
	static const char ulp[] = "tls";
	int ret;

	/*
	 * From now on the server only answers requests, so bytes that are there already are a
	 * protocol error.
	 */
	if (t->lib->record_check_pending(t->session) > 0 || t->header_have || t->body)
		return err_set(err, ERR_PERMANENT, EPROTO,
			       "the server broke the NBD protocol: bytes after its last answer");
	if (!l)
		return err_set(err, ERR_SYSTEM, TLS_NOT_IN_KERNEL,
			       "the kernel's TLS does not support %s",
			       t->lib->cipher_get_name(cipher));
	if (setsockopt(t->wire.sock, IPPROTO_TCP, TCP_ULP, ulp, sizeof(ulp)) < 0) {
		if (errno == ENOENT)
			return err_set(err, ERR_SYSTEM, TLS_NOT_IN_KERNEL,
				       "this kernel has no TLS: `modprobe tls` says why");
		if (errno == ENOTCONN)
			return err_set(err, ERR_RETRY, ENOTCONN,
				       "the server closed the connection after the handshake");
		return err_errno(err, ERR_SYSTEM, errno, "cannot hand TLS over to the kernel");
	}
	ret = give(t, false, l);
	if (ret == 0)
		ret = give(t, true, l);
	if (ret == 0)
		return 0;
	if (!is_unsupported(-ret))
		return err_errno(err, ERR_SYSTEM, -ret, "cannot give the keys to the kernel");
	return err_set(err, ERR_SYSTEM, TLS_NOT_IN_KERNEL,
		       "this kernel's TLS does not support %s with %s",
		       t->lib->protocol_get_name(t->lib->protocol_get_version(t->session)),
		       t->lib->cipher_get_name(cipher));
}
