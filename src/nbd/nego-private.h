/* SPDX-License-Identifier: MIT */
/* What the files of the negotiator share: see nego.h for the machine as callers see it. */
#ifndef NBD_NEGO_PRIVATE_H
#define NBD_NEGO_PRIVATE_H

#include "base/text.h"
#include "nbd/nego.h"
#include "nbd/wire.h"

/*
 * Our own limits where proto.md sets none, so that a server cannot make the client use unlimited
 * memory or time. The strings of proto.md end at NBD_STRING_MAX; unknown infos and error texts may
 * be longer, and are drained.
 */
enum {
	NEGO_INFOS_MAX = 64,
	NEGO_LISTED_MAX = 10000,
	NEGO_DRAINED_MAX = 64 * 1024,
	NEGO_TOTAL_MAX = 32 * 1024 * 1024,
	NEGO_TEXT_KEPT = 512,  /* bytes: the longest error text that is accepted */
	NEGO_TEXT_SHOWN = 200, /* bytes of an error text that are shown */
	NEGO_NAME_SHOWN = 100, /* bytes of an export name that are shown in a message */
};

/* The message that is awaited. */
enum nego_state {
	NEGO_STATE_MAGIC,	/* NBDMAGIC */
	NEGO_STATE_STYLE,	/* the magic that tells oldstyle from newstyle */
	NEGO_STATE_OLDSTYLE,	/* the oldstyle export */
	NEGO_STATE_FLAGS,	/* handshake flags */
	NEGO_STATE_EXPORT_NAME, /* the reply to EXPORT_NAME */
	NEGO_STATE_ZEROES,	/* the reserved bytes behind an export */
	NEGO_STATE_REPLY,	/* the header of an option reply */
	NEGO_STATE_DATA,	/* its data */
};

/*
 * Aborts on a caller's mistake in moving bytes, which would otherwise corrupt memory. (assert()
 * needs stdio.)
 */
static inline void nego_must(bool ok)
{
	if (!ok)
		__builtin_trap();
}

/* Awaits a message of `want` bytes whose first `keep` bytes matter. */
void nego_await(struct nego *n, enum nego_state state, uint32_t want, uint32_t keep);

/* Handle a message that is complete in n->buf. */
void nego_magic(struct nego *n);
void nego_style(struct nego *n);
void nego_oldstyle_export(struct nego *n);
void nego_flags(struct nego *n);
void nego_export_named(struct nego *n);
void nego_padding_done(struct nego *n);
void nego_replied(struct nego *n);
void nego_data_done(struct nego *n);
void nego_info(struct nego *n);	   /* the data of NBD_REP_INFO */
void nego_server(struct nego *n);  /* the data of NBD_REP_SERVER */
void nego_refused(struct nego *n); /* the data of an error reply */

/* Appends bytes to the send buffer. */
void nego_put16(struct nego *n, uint16_t v);
void nego_put32(struct nego *n, uint32_t v);
void nego_put64(struct nego *n, uint64_t v);
void nego_put(struct nego *n, const void *bytes, size_t len);

/* Sends the first option of the goal; `n->buf` may already hold the client flags. */
void nego_first_option(struct nego *n);
void nego_send_export_name(struct nego *n);
/* True if GO or INFO was refused, and did not ask for as little as possible. */
bool nego_may_ask_for_less(const struct nego *n);
/* Goes on after such a failure, which stays in n->err: repeats GO or INFO with fewer information
 * requests. */
void nego_ask_for_less(struct nego *n);

/* The goal is reached, or refused without a violation. */
void nego_done(struct nego *n);
void nego_goodbye(struct nego *n);

/* Stores size and flags; false (and failed) if they cannot be. */
bool nego_set_export(struct nego *n, uint64_t size, uint16_t flags);

/* Fails: the caller writes the sentence into *t. */
void nego_fail(struct nego *n, enum err_kind kind, struct text *t);
void nego_fail_str(struct nego *n, enum err_kind kind, const char *sentence);
/* Fails because the server broke proto.md; no goodbye is sent. */
void nego_violation(struct nego *n, const char *what);
void nego_violation_at(struct nego *n, const char *what, uint64_t value);
void nego_fail_eof(struct nego *n);

#endif
