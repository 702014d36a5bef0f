/* SPDX-License-Identifier: MIT */
/* Options and their replies: one option in flight, its final reply awaited before the next. */
#include "nbd/nego-private.h"

#include <string.h>

#include "base/bytes.h"

static void option(struct nego *n, uint32_t type, uint32_t len)
{
	n->option = type;
	nego_put64(n, NBD_IHAVEOPT);
	nego_put32(n, type);
	nego_put32(n, len);
}

static void await_reply(struct nego *n)
{
	nego_await(n, NEGO_STATE_REPLY, NBD_REPLY_LEN, NBD_REPLY_LEN);
}

static void send_plain(struct nego *n, uint32_t type)
{
	option(n, type, 0);
	await_reply(n);
}

static void forget_export(struct nego *n)
{
	enum nbd_style style = n->export.style;

	memset(&n->export, 0, sizeof(n->export));
	n->export.style = style;
	n->has_export = false;
	n->infos = 0;
}

/*
 * INFO and GO: the name, and the information requests. A client that requests NBD_INFO_BLOCK_SIZE
 * must respect the block sizes. To attach, only these and the export's own name, which shows a
 * change of disk, have to be known: the size and the flags come unasked. The description is for
 * people. A server that calls this request invalid is asked for the block sizes alone.
 */
static void send_info(struct nego *n, uint32_t type)
{
	static const uint16_t wanted[] = {
	    NBD_INFO_BLOCK_SIZE,
	    NBD_INFO_NAME,
	    NBD_INFO_DESCRIPTION,
	};
	const size_t count = n->frugal ? 1 : n->goal == NEGO_GOAL_GO ? 2 : 3;

	forget_export(n);
	option(n, type, (uint32_t)(4 + n->name_len + 2 + 2 * count));
	nego_put32(n, (uint32_t)n->name_len);
	nego_put(n, n->name, n->name_len);
	nego_put16(n, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		nego_put16(n, wanted[i]);
	await_reply(n);
}

bool nego_may_ask_for_less(const struct nego *n)
{
	return !n->frugal && (n->option == NBD_OPT_GO || n->option == NBD_OPT_INFO);
}

void nego_ask_for_less(struct nego *n)
{
	n->status = NEGO_IO;
	n->refused = true;
	n->frugal = true;
	send_info(n, n->option);
}

void nego_send_export_name(struct nego *n)
{
	forget_export(n); /* what was said before GO was refused */
	option(n, NBD_OPT_EXPORT_NAME, (uint32_t)n->name_len);
	nego_put(n, n->name, n->name_len);
	nego_await(n, NEGO_STATE_EXPORT_NAME, NBD_EXPORT_NAME_LEN, NBD_EXPORT_NAME_LEN);
}

void nego_first_option(struct nego *n)
{
	if (n->tls && !n->tls_up) {
		send_plain(n, NBD_OPT_STARTTLS);
		return;
	}
	switch (n->goal) {
	case NEGO_GOAL_GO:
	case NEGO_GOAL_INFO:
		if (n->export.style == NBD_STYLE_FIXED_NEW)
			send_info(n, n->goal == NEGO_GOAL_GO ? NBD_OPT_GO : NBD_OPT_INFO);
		else
			nego_send_export_name(n);
		break;
	case NEGO_GOAL_LIST:
		send_plain(n, NBD_OPT_LIST);
		break;
	}
}

void nego_goodbye(struct nego *n)
{
	if (n->transmission) {
		nego_put32(n, NBD_REQUEST_MAGIC);
		nego_put16(n, 0);
		nego_put16(n, NBD_CMD_DISC);
		nego_put64(n, 0);
		nego_put64(n, 0);
		nego_put32(n, 0);
	} else {
		option(n, NBD_OPT_ABORT, 0);
	}
}

void nego_done(struct nego *n)
{
	n->status = NEGO_DONE;
	if (n->goal != NEGO_GOAL_GO)
		nego_goodbye(n);
}

static bool is_error(uint32_t reply)
{
	return reply & NBD_REP_FLAG_ERROR;
}

/* True if the reply type may answer the option in flight. */
static bool fits(const struct nego *n, uint32_t reply)
{
	if (reply == NBD_REP_ACK || is_error(reply))
		return true;
	if (reply == NBD_REP_SERVER)
		return n->option == NBD_OPT_LIST;
	return reply == NBD_REP_INFO && (n->option == NBD_OPT_GO || n->option == NBD_OPT_INFO);
}

/* The bounds of a reply's data. */
static bool length_fits(uint32_t reply, uint32_t len)
{
	if (reply == NBD_REP_ACK)
		return len == 0;
	if (reply == NBD_REP_SERVER)
		return len >= 4 && len <= 4 + 2 * NBD_STRING_MAX;
	if (reply == NBD_REP_INFO && len < 2)
		return false;
	return len <= NEGO_DRAINED_MAX;
}

static uint32_t kept(uint32_t reply, uint32_t len)
{
	uint32_t limit = is_error(reply) ? NEGO_TEXT_KEPT : 4 + 2 * NBD_STRING_MAX;

	return len < limit ? len : limit;
}

void nego_replied(struct nego *n)
{
	uint64_t magic = get_be64(n->buf);
	uint32_t to = get_be32(n->buf + 8);
	uint32_t reply = get_be32(n->buf + 12);
	uint32_t len = get_be32(n->buf + 16);

	if (magic != NBD_REPLY_MAGIC)
		nego_violation_at(n, "an option reply with the magic ", magic);
	else if (to != n->option)
		nego_violation_at(n, "a reply to an option that was not sent, ", to);
	else if (!fits(n, reply))
		nego_violation_at(n, "a reply that does not fit the option, type ", reply);
	else if (!length_fits(reply, len))
		nego_violation_at(n, "an option reply with the impossible length ", len);
	else {
		n->reply = reply;
		n->refused = false;
		nego_await(n, NEGO_STATE_DATA, len, kept(reply, len));
	}
}

static void acked(struct nego *n)
{
	if (n->option == NBD_OPT_STARTTLS) {
		n->status = NEGO_STARTTLS;
	} else if (n->option == NBD_OPT_LIST) {
		nego_done(n);
	} else if (!n->has_export) {
		nego_violation(n, "agreement without a size and flags of the export");
	} else if (n->option == NBD_OPT_INFO && !n->export.size) {
		/* nbd-server (3.24) answers INFO before it knows the size: GO tells it. */
		send_info(n, NBD_OPT_GO);
	} else {
		n->transmission = n->option == NBD_OPT_GO;
		nego_done(n);
	}
}

void nego_data_done(struct nego *n)
{
	if (n->reply == NBD_REP_ACK)
		acked(n);
	else if (n->reply == NBD_REP_SERVER)
		nego_server(n);
	else if (n->reply == NBD_REP_INFO)
		nego_info(n);
	else
		nego_refused(n);

	if (n->status == NEGO_IO && n->state == NEGO_STATE_DATA)
		await_reply(n);
}
