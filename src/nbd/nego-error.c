/* SPDX-License-Identifier: MIT */
/* Every error of the handshake, as one sentence that tells the user what to do. */
#include "nbd/nego-private.h"

void nego_fail(struct nego *n, enum err_kind kind, struct text *t)
{
	n->status = NEGO_FAILED;
	n->send_len = n->send_off = 0;
	n->err.kind = kind;
	text_init(t, n->err.message, sizeof(n->err.message));
}

void nego_fail_str(struct nego *n, enum err_kind kind, const char *sentence)
{
	struct text t;

	nego_fail(n, kind, &t);
	text_str(&t, sentence);
}

void nego_violation(struct nego *n, const char *what)
{
	struct text t;

	nego_fail(n, ERR_PERMANENT, &t);
	text_str(&t, "the server broke the NBD protocol: ");
	text_str(&t, what);
}

void nego_violation_at(struct nego *n, const char *what, uint64_t value)
{
	struct text t;

	nego_fail(n, ERR_PERMANENT, &t);
	text_str(&t, "the server broke the NBD protocol: ");
	text_str(&t, what);
	text_hex(&t, value);
}

/* `export "foo"` or `the default export` */
static void text_export(const struct nego *n, struct text *t)
{
	if (n->name_len) {
		text_str(t, "export ");
		text_quote(t, n->name, n->name_len, NEGO_NAME_SHOWN);
	} else {
		text_str(t, "the default export");
	}
}

void nego_fail_eof(struct nego *n)
{
	enum nego_state state = n->state;
	bool silent = state == NEGO_STATE_MAGIC && !n->have;
	struct text t;

	if (n->refused) { /* n->err says why */
		n->status = NEGO_FAILED;
		n->send_len = n->send_off = 0;
		return;
	}
	/*
	 * A server that restarts, has too many clients or has no such export closes the connection
	 * in the same way.
	 */
	nego_fail(n, ERR_RETRY, &t);
	text_str(&t, "the server closed the connection ");
	if (silent) {
		text_str(&t, "without an answer: it may be shutting down, have too many clients, "
			     "or not accept this address");
	} else if (state < NEGO_STATE_EXPORT_NAME) {
		text_str(&t, "in the middle of its greeting");
	} else if (state == NEGO_STATE_EXPORT_NAME) {
		text_str(&t, "when asked for ");
		text_export(n, &t);
		text_str(&t, ": it may not have that export, require TLS, or be shutting down");
	} else if (state == NEGO_STATE_ZEROES) {
		text_str(&t, "in the middle of describing its export");
	} else if (n->option == NBD_OPT_STARTTLS) {
		text_str(&t, "when asked for TLS");
	} else if (n->option == NBD_OPT_LIST) {
		text_str(&t, "when asked for its exports");
	} else {
		text_str(&t, "instead of answering the request for ");
		text_export(n, &t);
	}
}

/* What the refused option was about. */
enum topic { TOPIC_EXPORT, TOPIC_LIST, TOPIC_TLS, TOPIC_N };

/* A refusal is `before`, then, if there is an `after`, the export and `after`. */
struct sentence {
	const char *before;
	const char *after;
};

#define WANTS_TLS   "the server requires TLS: use nbds:// or --tls"
#define GOES_DOWN   "the server is shutting down"
#define NO_TLS	    "the server does not offer TLS: nbd:// without --tls connects without encryption"
#define NO_LIST	    "the server cannot list its exports: give the name of one"
#define WANTS_EXT   "the server requires extended headers, which the kernel does not support"
#define TOO_BIG	    "the server says that the request is too big to answer"
#define WANTS_BLOCK "the server demands that block sizes be requested, although they were"

static const struct sentence sentences[TOPIC_N][NBD_ERR_N] = {
    [TOPIC_EXPORT] =
	{
	    [0] = {"the server refuses ", ", for a reason that nbd-attach does not know"},
	    [NBD_ERR_UNSUP] = {"the server cannot open ", " by any known option"},
	    [NBD_ERR_POLICY] = {"the server's policy forbids the use of ", ""},
	    [NBD_ERR_INVALID] = {"the server says that the request for ", " is invalid"},
	    [NBD_ERR_PLATFORM] = {"the server's platform cannot serve ", ""},
	    [NBD_ERR_TLS_REQD] = {.before = WANTS_TLS},
	    [NBD_ERR_UNKNOWN] = {"the server has no ",
				 ": `nbd-attach --list HOST` shows what it has"},
	    [NBD_ERR_SHUTDOWN] = {.before = GOES_DOWN},
	    [NBD_ERR_BLOCK_SIZE_REQD] = {.before = WANTS_BLOCK},
	    [NBD_ERR_TOO_BIG] = {.before = TOO_BIG},
	    [NBD_ERR_EXT_HEADER_REQD] = {.before = WANTS_EXT},
	},
    [TOPIC_LIST] =
	{
	    [0] = {.before = "the server refuses to list its exports, for a reason that nbd-attach "
			     "does not know"},
	    [NBD_ERR_UNSUP] = {.before = NO_LIST},
	    [NBD_ERR_POLICY] = {.before = "the server's policy forbids listing its exports"},
	    [NBD_ERR_INVALID] = {.before =
				     "the server says that the request for its exports is invalid"},
	    [NBD_ERR_PLATFORM] = {.before = NO_LIST},
	    [NBD_ERR_TLS_REQD] = {.before = WANTS_TLS},
	    [NBD_ERR_UNKNOWN] = {.before = "the server has no exports to list"},
	    [NBD_ERR_SHUTDOWN] = {.before = GOES_DOWN},
	    [NBD_ERR_BLOCK_SIZE_REQD] = {.before = WANTS_BLOCK},
	    [NBD_ERR_TOO_BIG] = {.before = TOO_BIG},
	    [NBD_ERR_EXT_HEADER_REQD] = {.before = WANTS_EXT},
	},
    [TOPIC_TLS] =
	{
	    [0] = {.before = "the server refuses TLS, for a reason that nbd-attach does not know"},
	    [NBD_ERR_UNSUP] = {.before = NO_TLS},
	    [NBD_ERR_POLICY] = {.before = NO_TLS},
	    [NBD_ERR_INVALID] = {.before = "the server says that the request for TLS is invalid"},
	    [NBD_ERR_PLATFORM] = {.before =
				      "the server was built without TLS, or its platform lacks it"},
	    [NBD_ERR_TLS_REQD] = {.before = "the server requires TLS and refuses to start it"},
	    [NBD_ERR_UNKNOWN] = {.before =
				     "the server refuses TLS with the error for an unknown export"},
	    [NBD_ERR_SHUTDOWN] = {.before = GOES_DOWN},
	    [NBD_ERR_BLOCK_SIZE_REQD] = {.before = WANTS_BLOCK},
	    [NBD_ERR_TOO_BIG] = {.before = TOO_BIG},
	    [NBD_ERR_EXT_HEADER_REQD] = {.before = WANTS_EXT},
	},
};

static const struct sentence no_default = {
    .before = "the server has no default export: `nbd-attach --list HOST` shows which to name",
};

static enum topic topic(const struct nego *n)
{
	if (n->option == NBD_OPT_STARTTLS)
		return TOPIC_TLS;
	return n->option == NBD_OPT_LIST ? TOPIC_LIST : TOPIC_EXPORT;
}

static void fail_refused(struct nego *n, uint32_t number)
{
	const struct sentence *s;
	struct text t;

	nego_fail(n, number == NBD_ERR_SHUTDOWN ? ERR_RETRY : ERR_PERMANENT, &t);
	s = &sentences[topic(n)][number < NBD_ERR_N ? number : 0];
	if (number == NBD_ERR_UNKNOWN && topic(n) == TOPIC_EXPORT && !n->name_len)
		s = &no_default;
	text_str(&t, s->before);
	if (s->after) {
		text_export(n, &t);
		text_str(&t, s->after);
	}
	if (number >= NBD_ERR_N || !number) {
		text_str(&t, ", error ");
		text_hex(&t, n->reply);
	}
	if (n->want) {
		text_str(&t, " (it says ");
		text_quote(&t, n->buf, n->keep, NEGO_TEXT_SHOWN);
		text_str(&t, ")");
	}
}

void nego_refused(struct nego *n)
{
	uint32_t number = n->reply & ~NBD_REP_FLAG_ERROR;

	if (number == NBD_ERR_UNSUP && topic(n) == TOPIC_EXPORT) {
		nego_send_export_name(n);
		return;
	}
	if (number == NBD_ERR_INVALID && nego_may_ask_for_less(n)) {
		/* Kept for a server that closes the connection instead of answering again. */
		fail_refused(n, number);
		nego_ask_for_less(n);
		return;
	}
	if (number == NBD_ERR_TLS_REQD && n->tls_up) {
		nego_violation(n, "it requires TLS although TLS is in use");
		return;
	}
	fail_refused(n, number);
	nego_goodbye(n);
}
