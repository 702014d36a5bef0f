/* SPDX-License-Identifier: MIT */
/* The machine's edge: buffers in, buffers out, and the calls that move it between states. */
#include "nbd/nego.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "nbd/nego-private.h"

static int usage(struct err *err, const char *sentence)
{
	struct text t;

	if (err) {
		err->kind = ERR_USAGE;
		text_init(&t, err->message, sizeof(err->message));
		text_str(&t, sentence);
	}
	return -EINVAL;
}

int nego_init(struct nego *n, const struct nego_config *cfg, struct err *err)
{
	const char *name = cfg->export_name ? cfg->export_name : "";
	size_t len = strlen(name);

	if (len > NBD_STRING_MAX)
		return usage(err, "the export name is longer than 4096 bytes");
	if (!nbd_string_valid(name, len))
		return usage(err, "the export name is not valid UTF-8");

	memset(n, 0, sizeof(*n));
	n->goal = cfg->goal;
	n->tls = cfg->tls;
	n->name_len = len;
	memcpy(n->name, name, len);
	n->status = NEGO_IO;
	nego_await(n, NEGO_STATE_MAGIC, 8, 8);
	return 0;
}

enum nego_status nego_status(const struct nego *n)
{
	return n->status;
}

void nego_put(struct nego *n, const void *bytes, size_t len)
{
	nego_must(len <= sizeof(n->buf) - n->send_len);
	memcpy(n->buf + n->send_len, bytes, len);
	n->send_len += len;
}

void nego_put16(struct nego *n, uint16_t v)
{
	uint8_t b[2];

	put_be16(b, v);
	nego_put(n, b, sizeof(b));
}

void nego_put32(struct nego *n, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	nego_put(n, b, sizeof(b));
}

void nego_put64(struct nego *n, uint64_t v)
{
	uint8_t b[8];

	put_be64(b, v);
	nego_put(n, b, sizeof(b));
}

const uint8_t *nego_send_buf(const struct nego *n, size_t *ret_len)
{
	*ret_len = n->send_len - n->send_off;
	return *ret_len ? n->buf + n->send_off : NULL;
}

void nego_send_ack(struct nego *n, size_t len)
{
	nego_must(len <= n->send_len - n->send_off);
	n->send_off += len;
	if (n->send_off == n->send_len)
		n->send_off = n->send_len = 0;
}

/*
 * Room within the awaited message: in place for bytes that are kept, after them for bytes that are
 * dropped.
 */
static size_t room(const struct nego *n, size_t *ret_offset)
{
	size_t left = n->want - n->have;
	size_t scratch = sizeof(n->buf) - n->keep;

	if (n->status != NEGO_IO || n->send_len)
		return 0;
	if (n->have < n->keep) {
		*ret_offset = n->have;
		return n->keep - n->have;
	}
	*ret_offset = n->keep;
	return left < scratch ? left : scratch;
}

uint8_t *nego_recv_buf(struct nego *n, size_t *ret_len)
{
	size_t offset = 0;

	*ret_len = room(n, &offset);
	return *ret_len ? n->buf + offset : NULL;
}

void nego_await(struct nego *n, enum nego_state state, uint32_t want, uint32_t keep)
{
	n->state = state;
	n->want = want;
	n->keep = keep;
	n->have = 0;
	n->total += want;
	if (n->total > NEGO_TOTAL_MAX)
		nego_violation(n, "a handshake of more than 32 MiB");
}

static void step(struct nego *n)
{
	switch ((enum nego_state)n->state) {
	case NEGO_STATE_MAGIC:
		nego_magic(n);
		break;
	case NEGO_STATE_STYLE:
		nego_style(n);
		break;
	case NEGO_STATE_OLDSTYLE:
		nego_oldstyle_export(n);
		break;
	case NEGO_STATE_FLAGS:
		nego_flags(n);
		break;
	case NEGO_STATE_EXPORT_NAME:
		nego_export_named(n);
		break;
	case NEGO_STATE_ZEROES:
		nego_padding_done(n);
		break;
	case NEGO_STATE_REPLY:
		nego_replied(n);
		break;
	case NEGO_STATE_DATA:
		nego_data_done(n);
		break;
	}
}

void nego_recv_ack(struct nego *n, size_t len)
{
	size_t offset;

	nego_must(len && len <= room(n, &offset));
	n->have += (uint32_t)len;
	/* A message without data is complete at once: hence the loop. */
	while (n->status == NEGO_IO && !n->send_len && n->have == n->want)
		step(n);
}

void nego_recv_eof(struct nego *n)
{
	if (n->status == NEGO_IO)
		nego_fail_eof(n);
}

bool nego_is_refused(const struct nego *n)
{
	return n->status == NEGO_IO && n->refused;
}

void nego_tls_started(struct nego *n)
{
	nego_must(n->status == NEGO_STARTTLS);
	memset(&n->export, 0, sizeof(n->export));
	memset(n->buf, 0, sizeof(n->buf));
	n->total = 0;
	n->tls_up = true;
	n->status = NEGO_IO;
	/* This is known without trusting the plaintext, because only fixed newstyle has TLS. */
	n->export.style = NBD_STYLE_FIXED_NEW;
	nego_first_option(n);
}

const struct nbd_export *nego_export(const struct nego *n)
{
	return n->status == NEGO_DONE && n->goal != NEGO_GOAL_LIST ? &n->export : NULL;
}

void nego_decline(struct nego *n)
{
	nego_must(n->status == NEGO_DONE && n->goal == NEGO_GOAL_GO);
	nego_goodbye(n);
}

void nego_list_entry(const struct nego *n, const char **ret_name, const char **ret_description)
{
	nego_must(n->status == NEGO_LISTED);
	*ret_name = n->export.name;
	*ret_description = n->export.description;
}

void nego_list_next(struct nego *n)
{
	nego_must(n->status == NEGO_LISTED);
	n->status = NEGO_IO;
	nego_await(n, NEGO_STATE_REPLY, NBD_REPLY_LEN, NBD_REPLY_LEN);
}

const struct err *nego_err(const struct nego *n)
{
	return n->status == NEGO_FAILED ? &n->err : NULL;
}
