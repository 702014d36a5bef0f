/* SPDX-License-Identifier: MIT */
/* The greeting, up to the first option, and the two replies that have no header. */
#include "nbd/nego-private.h"

#include "base/bytes.h"

static void not_nbd(struct nego *n)
{
	struct text t;

	nego_fail(n, ERR_PERMANENT, &t);
	text_str(&t, "this is not an NBD server: it says ");
	text_quote(&t, n->buf, n->want, n->want);
}

static void oldstyle(struct nego *n)
{
	n->export.style = NBD_STYLE_OLD;
	if (n->tls) {
		nego_fail_str(n, ERR_PERMANENT,
			      "the server cannot do TLS: it speaks the oldstyle handshake");
	} else if (n->goal == NEGO_GOAL_LIST) {
		nego_fail_str(n, ERR_PERMANENT,
			      "the server cannot list exports: it speaks the oldstyle handshake, "
			      "which has one export without a name");
	} else if (n->name_len) {
		/* Its one export may be another disk than the one that was asked for. */
		nego_fail_str(n, ERR_PERMANENT,
			      "the server speaks the oldstyle handshake, which has one export "
			      "without a name: leave the export name out to use it");
	} else {
		nego_await(n, NEGO_STATE_OLDSTYLE, NBD_OLDSTYLE_LEN, NBD_OLDSTYLE_LEN);
	}
}

void nego_oldstyle_export(struct nego *n)
{
	/* The upper 16 of the 32 bits are handshake flags, which proto.md rules out here. */
	if (nego_set_export(n, get_be64(n->buf), (uint16_t)get_be32(n->buf + 8)))
		nego_await(n, NEGO_STATE_ZEROES, NBD_ZEROES_LEN, 0);
}

void nego_flags(struct nego *n)
{
	uint16_t offered = get_be16(n->buf);
	uint32_t flags = 0;

	if (offered & NBD_FLAG_FIXED_NEWSTYLE) {
		n->export.style = NBD_STYLE_FIXED_NEW;
		flags |= NBD_FLAG_C_FIXED_NEWSTYLE;
	} else {
		n->export.style = NBD_STYLE_NEW;
		if (n->tls) {
			nego_fail_str(n, ERR_PERMANENT,
				      "the server cannot do TLS: it does not offer the fixed "
				      "newstyle handshake");
			return;
		}
		if (n->goal == NEGO_GOAL_LIST) {
			nego_fail_str(n, ERR_PERMANENT,
				      "the server cannot list exports: it does not offer the fixed "
				      "newstyle handshake");
			return;
		}
	}
	/*
	 * Not with TLS, where this would be the only plaintext fact that is kept after the upgrade.
	 */
	n->padded = n->tls || !(offered & NBD_FLAG_NO_ZEROES);
	if (!n->padded)
		flags |= NBD_FLAG_C_NO_ZEROES;
	nego_put32(n, flags);
	nego_first_option(n);
}

void nego_magic(struct nego *n)
{
	if (get_be64(n->buf) == NBD_MAGIC)
		nego_await(n, NEGO_STATE_STYLE, 8, 8);
	else
		not_nbd(n);
}

void nego_style(struct nego *n)
{
	uint64_t magic = get_be64(n->buf);

	if (magic == NBD_IHAVEOPT)
		nego_await(n, NEGO_STATE_FLAGS, 2, 2);
	else if (magic == NBD_OLDSTYLE)
		oldstyle(n);
	else
		nego_violation_at(n, "a handshake that does not exist, ", magic);
}

void nego_export_named(struct nego *n)
{
	uint64_t size = get_be64(n->buf);

	/* proto.md has no error reply to EXPORT_NAME; one must not pass for a huge export. */
	if (size == NBD_REPLY_MAGIC)
		nego_violation(n, "an option reply to EXPORT_NAME");
	else if (nego_set_export(n, size, get_be16(n->buf + 8)))
		nego_await(n, NEGO_STATE_ZEROES, n->padded ? NBD_ZEROES_LEN : 0, 0);
}

void nego_padding_done(struct nego *n)
{
	n->transmission = true;
	nego_done(n);
}
