/* SPDX-License-Identifier: MIT */
/*
 * Runs the negotiator against a recorded server: everything that the server sends is one array of
 * bytes (the handshake is lockstep, so the time of a byte does not matter), delivered in pieces
 * that a seed chooses. Checks the invariants that hold for every server. For the unit tests and the
 * fuzzer; depends on neither.
 */
#ifndef TESTS_NEGO_RUN_H
#define TESTS_NEGO_RUN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "nbd/nego-private.h"
#include "nbd/nego.h"

#define RUN_CHECK(x)                                                            \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                \
		}                                                               \
	} while (0)

enum {
	SPLIT_NONE = 0,	 /* as much as there is room for */
	SPLIT_BYTES = 1, /* one byte at a time; other seeds: random pieces */
	SENT_MAX = 12288,
};

struct outcome {
	enum nego_status status; /* NEGO_IO: the server fell silent (cfg.silent) */
	bool failed;
	struct err err;
	bool has_export;
	struct nbd_export export;
	size_t consumed; /* bytes taken from the server */
	size_t tls_at;	 /* number of them before TLS; 0: no TLS */
	unsigned int listed;
	uint32_t listed_hash;
	char first_name[NBD_STRING_MAX + 1];
	char first_description[NBD_STRING_MAX + 1];
	size_t sent_len;
	size_t goodbye; /* number of bytes at the end of `sent` */
	uint8_t sent[SENT_MAX];
};

static inline uint32_t run_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static inline size_t run_piece(uint32_t *seed, size_t max)
{
	if (*seed == SPLIT_NONE)
		return max;
	if (*seed == SPLIT_BYTES)
		return 1;
	return 1 + run_random(seed) % (max < 64 || run_random(seed) % 4 == 0 ? max : 64);
}

/* A sentence: valid UTF-8, no control characters, no full stop, not empty, terminated. */
static inline void run_check_sentence(const struct err *err)
{
	const uint8_t *p = (const uint8_t *)err->message;
	size_t len = strnlen(err->message, sizeof(err->message));
	size_t n;

	RUN_CHECK(len > 0 && len < sizeof(err->message) && p[len - 1] != '.');
	RUN_CHECK(err->kind == ERR_RETRY || err->kind == ERR_PERMANENT);
	for (size_t i = 0; i < len; i += n) {
		n = utf8_length(p + i, len - i);
		RUN_CHECK(n > 0 && p[i] >= 0x20 && p[i] != 0x7f);
		RUN_CHECK(!(p[i] == 0xc2 && p[i + 1] < 0xa0));
	}
}

static inline bool run_is_disc(const uint8_t *p, size_t len)
{
	return len == NBD_REQUEST_LEN && get_be32(p) == NBD_REQUEST_MAGIC &&
	       get_be32(p + 4) == NBD_CMD_DISC;
}

/*
 * Everything that a client may send to any server: client flags, then options of which none needs
 * structured replies, then at most one goodbye.
 */
static inline void run_check_sent(const struct nego_config *cfg, const struct outcome *o)
{
	const uint8_t *p = o->sent;
	size_t left = o->sent_len;
	uint32_t option = 0, len, seen = 0, before = 0;

	if (!left || run_is_disc(p, left))
		return;
	RUN_CHECK(left >= 4 && get_be32(p) <= 3);
	for (p += 4, left -= 4; left; p += len, left -= len) {
		if (option == NBD_OPT_EXPORT_NAME || option == NBD_OPT_GO) {
			if (run_is_disc(p, left))
				return;
		}
		RUN_CHECK(option != NBD_OPT_EXPORT_NAME && option != NBD_OPT_ABORT);
		RUN_CHECK(left >= NBD_OPTION_LEN && get_be64(p) == NBD_IHAVEOPT);
		option = get_be32(p + 8);
		len = get_be32(p + 12);
		p += NBD_OPTION_LEN;
		left -= NBD_OPTION_LEN;
		RUN_CHECK(len <= left && option >= NBD_OPT_EXPORT_NAME && option <= NBD_OPT_GO);
		RUN_CHECK(option != NBD_OPT_PEEK_EXPORT);
		if (option == NBD_OPT_STARTTLS || option == NBD_OPT_LIST || option == NBD_OPT_ABORT)
			RUN_CHECK(len == 0);
		/* Only what asks for information may be sent again, once, with less in it. */
		RUN_CHECK(!(seen & 1u << option) ||
			  ((option == NBD_OPT_GO || option == NBD_OPT_INFO) && len < before));
		before = len;
		RUN_CHECK(!cfg->tls || seen || option == NBD_OPT_STARTTLS);
		RUN_CHECK(cfg->tls || option != NBD_OPT_STARTTLS);
		seen |= 1u << option;
	}
}

static inline bool run_send(struct nego *n, struct outcome *o, uint32_t *seed)
{
	size_t len, piece;
	const uint8_t *p = nego_send_buf(n, &len);

	RUN_CHECK(!p == !len);
	if (!p)
		return false;
	piece = run_piece(seed, len);
	RUN_CHECK(o->sent_len + piece <= sizeof(o->sent));
	memcpy(o->sent + o->sent_len, p, piece);
	o->sent_len += piece;
	nego_send_ack(n, piece);
	return true;
}

static inline void run_list(struct nego *n, struct outcome *o)
{
	const char *name, *description;

	nego_list_entry(n, &name, &description);
	RUN_CHECK(nbd_string_valid(name, strlen(name)));
	RUN_CHECK(nbd_string_valid(description, strlen(description)));
	if (!o->listed++) {
		strcpy(o->first_name, name);
		strcpy(o->first_description, description);
	}
	for (const char *c = name; *c; c++)
		o->listed_hash = o->listed_hash * 31 + (uint8_t)*c;
	for (const char *c = description; *c; c++)
		o->listed_hash = o->listed_hash * 37 + (uint8_t)*c;
	RUN_CHECK(o->listed <= NEGO_LISTED_MAX);
	nego_list_next(n);
}

/* Receives a piece, or the end. Returns false if nothing more comes and the caller wants no end. */
static inline bool run_recv(struct nego *n, const uint8_t *bytes, size_t len, bool silent,
			    struct outcome *o, uint32_t *seed)
{
	size_t room, piece;
	uint8_t *p = nego_recv_buf(n, &room);

	RUN_CHECK(p && room && room <= NEGO_BUFFER_SIZE);
	if (o->consumed == len) {
		if (!silent)
			nego_recv_eof(n);
		return !silent;
	}
	if (room > len - o->consumed)
		room = len - o->consumed;
	piece = run_piece(seed, room);
	memcpy(p, bytes + o->consumed, piece);
	o->consumed += piece;
	nego_recv_ack(n, piece);
	RUN_CHECK(o->consumed <= 2 * NEGO_TOTAL_MAX);
	return true;
}

static inline void run_check_end(struct nego *n, const struct nego_config *cfg, struct outcome *o)
{
	const struct nbd_export *e = nego_export(n);
	size_t room;

	RUN_CHECK(!nego_send_buf(n, &room) && !room);
	if (o->status != NEGO_IO)
		RUN_CHECK(!nego_recv_buf(n, &room) && !room);
	RUN_CHECK(!nego_err(n) == (o->status != NEGO_FAILED));
	RUN_CHECK(!e == !(o->status == NEGO_DONE && cfg->goal != NEGO_GOAL_LIST));
	if (nego_err(n)) {
		o->failed = true;
		o->err = *nego_err(n);
		run_check_sentence(&o->err);
	}
	if (e) {
		o->has_export = true;
		o->export = *e;
		RUN_CHECK(nbd_export_valid(e) && nbd_export_equal(e, e));
	}
	if (cfg->tls && o->status == NEGO_DONE)
		RUN_CHECK(o->tls_at > 0);
	run_check_sent(cfg, o);
}

/*
 * One handshake, from nego_init() to its end, including the goodbye. With `silent` the connection
 * stays open after the server's last byte, otherwise it is closed then.
 */
static inline void nego_run(struct nego *n, const struct nego_config *cfg, const uint8_t *bytes,
			    size_t len, bool silent, uint32_t seed, struct outcome *o)
{
	size_t before;

	memset(o, 0, sizeof(*o));
	RUN_CHECK(nego_init(n, cfg, NULL) == 0);
	for (bool going = true; going;) {
		switch (nego_status(n)) {
		case NEGO_IO:
			if (!run_send(n, o, &seed))
				going = run_recv(n, bytes, len, silent, o, &seed);
			break;
		case NEGO_STARTTLS:
			RUN_CHECK(cfg->tls && !o->tls_at);
			o->tls_at = o->consumed;
			nego_tls_started(n);
			break;
		case NEGO_LISTED:
			RUN_CHECK(cfg->goal == NEGO_GOAL_LIST);
			run_list(n, o);
			break;
		case NEGO_DONE:
		case NEGO_FAILED:
			going = false;
			break;
		}
	}
	o->status = nego_status(n);
	before = o->sent_len;
	while (o->status != NEGO_IO && run_send(n, o, &seed))
		;
	o->goodbye = o->sent_len - before;
	run_check_end(n, cfg, o);
}

static inline void run_check_same(const struct outcome *a, const struct outcome *b)
{
	RUN_CHECK(a->status == b->status && a->failed == b->failed && a->err.kind == b->err.kind);
	RUN_CHECK(!strcmp(a->err.message, b->err.message));
	RUN_CHECK(a->consumed == b->consumed && a->tls_at == b->tls_at);
	RUN_CHECK(a->listed == b->listed && a->listed_hash == b->listed_hash);
	RUN_CHECK(a->goodbye == b->goodbye && a->sent_len == b->sent_len);
	RUN_CHECK(!memcmp(a->sent, b->sent, a->sent_len));
	RUN_CHECK(a->has_export == b->has_export && nbd_export_equal(&a->export, &b->export));
	RUN_CHECK(a->export.style == b->export.style);
	RUN_CHECK(!strcmp(a->export.name, b->export.name));
	RUN_CHECK(!strcmp(a->export.description, b->export.description));
}

#endif
