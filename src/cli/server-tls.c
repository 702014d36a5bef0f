/* SPDX-License-Identifier: MIT */
#include "cli/server-tls.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "endpoint/uri-parts.h"

#define FOR_X509 (1U << TLS_TYPE_X509)
#define FOR_PSK	 (1U << TLS_TYPE_PSK)
#define FOR_ANY	 (FOR_X509 | FOR_PSK | 1U << TLS_TYPE_ANON)

/* The options with a text: the name, the place of the text, and the types of TLS that use it. */
static const struct text_option {
	const char *name;
	size_t from, to; /* in struct options_tls and struct endpoint */
	unsigned types;
} texts[] = {
#define TEXT(n, f, t, y)                                                            \
	{                                                                           \
		n, offsetof(struct options_tls, f), offsetof(struct endpoint, t), y \
	}
    TEXT("tls-ca", ca, tls_ca, FOR_X509),
    TEXT("tls-crl", crl, tls_crl, FOR_X509),
    TEXT("tls-cert", cert, tls_cert, FOR_X509),
    TEXT("tls-key", key, tls_key, FOR_X509),
    TEXT("tls-certificates", certificates, tls_certificates, FOR_X509),
    TEXT("tls-hostname", hostname, tls_hostname, FOR_X509),
    TEXT("tls-psk", psk, tls_psk_file, FOR_PSK),
    TEXT("tls-username", username, tls_username, FOR_PSK),
    TEXT("tls-priority", priority, tls_priority, FOR_ANY),
#undef TEXT
};

static char **from_of(const struct options_tls *t, size_t i)
{
	return (char **)((char *)t + texts[i].from);
}

static char **to_of(struct endpoint *e, size_t i)
{
	return (char **)((char *)e + texts[i].to);
}

void options_tls_done(struct options_tls *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(*from_of(t, i));
	free(t->verify_peer);
	*t = (struct options_tls){.on = false};
}

static int move_texts(struct options_tls *t, struct endpoint *e, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char **from = from_of(t, i), **to = to_of(e, i);

		if (!*from)
			continue;
		if (!e->tls)
			return part_bad(err, "--%s needs TLS: give --tls too, or an nbds:// URI",
					texts[i].name);
		if (!**from)
			return part_bad(err, "the value of --%s is empty", texts[i].name);
		if (*to)
			return part_bad(
			    err, "--%s repeats what the URI already says: leave one of them out",
			    texts[i].name);
		*to = TAKE_PTR(*from);
	}
	return 0;
}

/* Skips values that the other server's URI sets itself or does not use. */
static int copy_texts(const struct options_tls *t, struct endpoint *e, struct err *err)
{
	enum endpoint_tls_type type = e->tls_type;

	if (type == TLS_TYPE_UNSET)
		type = e->tls_psk_file || (t->psk && !e->tls_certificates) ? TLS_TYPE_PSK
									   : TLS_TYPE_X509;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char **from = from_of(t, i), **to = to_of(e, i);

		if (!*from || *to || !(texts[i].types & 1U << type))
			continue;
		*to = strdup(*from);
		if (!*to)
			return part_no_memory(err);
	}
	return 0;
}

static int set_verify_peer(const struct options_tls *t, struct endpoint *e, struct err *err)
{
	if (!t->verify_peer)
		return 0;
	if (!e->tls)
		return part_bad(err, "--tls-verify-peer needs TLS: give --tls too, or an nbds:// "
				     "URI");
	/*
	 * A URI may come from another source; an option must not silently weaken what it demands.
	 */
	if (!e->tls_verify_peer && t->verify_peer[0] == '1')
		return part_bad(err, "--tls-verify-peer 1 contradicts tls-verify-peer=0 of the "
				     "URI");
	if (e->tls_type == TLS_TYPE_ANON && t->verify_peer[0] == '1')
		return part_bad(
		    err,
		    "tls-type=anon cannot verify the server, but --tls-verify-peer 1 demands it");
	e->tls_verify_peer = t->verify_peer[0] == '1';
	return 0;
}

static const char *const type_names[] = {
    [TLS_TYPE_ANON] = "tls-type=anon",
    [TLS_TYPE_X509] = "certificates (tls-type x509)",
    [TLS_TYPE_PSK] = "a shared key (tls-type psk)",
};

static int choose_type(struct endpoint *e, struct err *err)
{
	if (e->tls_type == TLS_TYPE_UNSET)
		e->tls_type = e->tls_psk_file ? TLS_TYPE_PSK : TLS_TYPE_X509;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (*to_of(e, i) && !(texts[i].types & 1U << e->tls_type))
			return part_bad(err, "--%s cannot be combined with %s%s", texts[i].name,
					type_names[e->tls_type],
					texts[i].types == FOR_PSK ? ": --tls-psk FILE names a key"
								  : "");
	return 0;
}

static int check_x509(const struct endpoint *e, struct err *err)
{
	if (e->tls_hostname && !part_is_certified(e->tls_hostname, strlen(e->tls_hostname)))
		return part_bad(err, "--tls-hostname must be a host name or an address, not %s",
				quoted_str(e->tls_hostname).text);
	if (!e->tls_cert != !e->tls_key)
		return part_bad(err, "--tls-cert and --tls-key must be given together");
	if (!e->tls_verify_peer)
		return 0;
	if (!e->tls_ca && !e->tls_certificates)
		return part_bad(err, "TLS needs something to verify the server with: give --tls-ca "
				     "FILE, --tls-certificates DIRECTORY or --tls-psk FILE; "
				     "--tls-verify-peer 0 trusts any server");
	if (!e->tls_hostname && e->type != ENDPOINT_TCP)
		return part_bad(err, "without a HOST, the name in the server's certificate must be "
				     "given: --tls-hostname NAME");
	return 0;
}

static int complete(const struct options_tls *t, struct endpoint *e, struct err *err)
{
	int r = set_verify_peer(t, e, err);

	if (r < 0 || !e->tls)
		return r;
	r = choose_type(e, err);
	if (r < 0)
		return r;
	if (e->tls_type == TLS_TYPE_PSK && !e->tls_psk_file)
		return part_bad(err, "tls-type=psk needs the file with the key: --tls-psk FILE");
	return e->tls_type == TLS_TYPE_X509 ? check_x509(e, err) : 0;
}

int options_tls_apply(struct options_tls *t, struct endpoint *e, struct err *err)
{
	int r;

	e->tls = e->tls || t->on;
	r = move_texts(t, e, err);
	return r == 0 ? complete(t, e, err) : r;
}

int options_tls_share(const struct options_tls *t, struct endpoint *e, struct err *err)
{
	int r;

	e->tls = e->tls || t->on;
	if (!e->tls)
		return 0;
	r = copy_texts(t, e, err);
	return r == 0 ? complete(t, e, err) : r;
}
