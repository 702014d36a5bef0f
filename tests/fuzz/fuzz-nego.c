/* SPDX-License-Identifier: MIT */
/*
 * Any server against the negotiator. The first byte chooses the goal, TLS, what follows the last
 * byte, and whether the rest is the server's output or a recipe for it; the second chooses the
 * pieces. tests/unit/nego-run.h has the invariants; here the main one is that a stream gives the
 * same outcome in different pieces.
 */
#include <stdint.h>
#include <string.h>

#include "../unit/nego-run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	BIT_TLS = 1 << 2,
	BIT_SILENT = 1 << 3,
	BIT_RECIPE = 1 << 4,
	BIT_NAMED = 1 << 5,
};

/* The output that the recipe makes; enough for every limit except that of a session's size. */
static struct {
	uint8_t bytes[256 * 1024];
	size_t len;
} stream;

/* The rest of the recipe. */
struct recipe {
	const uint8_t *p;
	size_t left;
};

static uint32_t take(struct recipe *r, size_t n)
{
	uint32_t v = 0;

	while (n-- && r->left) {
		v = v << 8 | *r->p++;
		r->left--;
	}
	return v;
}

static void put(const void *bytes, size_t len)
{
	size_t room = sizeof(stream.bytes) - stream.len;

	if (len > room)
		len = room;
	memcpy(stream.bytes + stream.len, bytes, len);
	stream.len += len;
}

static void put_number(uint64_t v, size_t n)
{
	uint8_t b[8];

	put_be64(b, v);
	put(b + 8 - n, n);
}

static void put_some(struct recipe *r, size_t len)
{
	if (len > r->left)
		len = r->left;
	put(r->p, len);
	r->p += len;
	r->left -= len;
}

static void put_fill(uint8_t byte, size_t len)
{
	size_t room = sizeof(stream.bytes) - stream.len;

	if (len > room)
		len = room;
	memset(stream.bytes + stream.len, byte, len);
	stream.len += len;
}

static void put_reply(uint32_t option, uint32_t type, uint32_t len)
{
	put_number(NBD_REPLY_MAGIC, 8);
	put_number(option, 4);
	put_number(type, 4);
	put_number(len, 4);
}

/* Special sizes and lengths, or any. */
static uint64_t take_number(struct recipe *r)
{
	static const uint64_t near[] = {
	    0,	  1,	2,     4,	 12,	    14,		512,	   4096,
	    4098, 8196, 65536, 33554432, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX,
	};
	uint32_t how = take(r, 1);

	if (how < 48)
		return near[how % 16] + how / 16 - 1;
	return how < 128 ? how : take(r, how % 8 + 1);
}

static void put_info(struct recipe *r, uint32_t option, uint32_t kind)
{
	size_t len;

	switch (kind % 4) {
	case NBD_INFO_EXPORT:
		put_reply(option, NBD_REP_INFO, NBD_INFO_EXPORT_LEN);
		put_number(NBD_INFO_EXPORT, 2);
		put_number(take_number(r), 8);
		put_number(take(r, 2), 2);
		break;
	case NBD_INFO_BLOCK_SIZE:
		put_reply(option, NBD_REP_INFO, NBD_INFO_BLOCK_SIZE_LEN);
		put_number(NBD_INFO_BLOCK_SIZE, 2);
		for (int i = 0; i < 3; i++)
			put_number(take_number(r), 4);
		break;
	default:
		len = take(r, 1);
		len = len < r->left ? len : r->left;
		put_reply(option, NBD_REP_INFO, (uint32_t)len + 2);
		put_number(kind % 8, 2);
		put_some(r, len);
		break;
	}
}

static void put_listed(struct recipe *r)
{
	uint32_t name = take(r, 1), rest = take(r, 1);

	put_reply(NBD_OPT_LIST, NBD_REP_SERVER, 4 + name + rest);
	put_number(name, 4);
	put_some(r, name);
	put_some(r, rest);
}

/* One step. Most are valid where they come, so that mutations stay deep in the handshake. */
static void step(struct recipe *r, uint32_t *option)
{
	uint32_t what = take(r, 1), len;

	switch (what % 11) {
	case 0:
		put_number(NBD_MAGIC, 8);
		put_number(what & 16 ? NBD_OLDSTYLE : NBD_IHAVEOPT, 8);
		break;
	case 1:
		put_number(what >> 4, 2);
		break;
	case 2:
		*option = take(r, 1) % 12;
		break;
	case 3:
		put_reply(*option, NBD_REP_ACK, 0);
		break;
	case 4:
		len = take(r, 1);
		len = len < r->left ? len : (uint32_t)r->left;
		put_reply(*option, NBD_REP_FLAG_ERROR | what >> 4, len);
		put_some(r, len);
		break;
	case 5:
		put_info(r, *option, what >> 4);
		break;
	case 6:
		put_listed(r);
		break;
	case 7:
		put_reply(*option, take(r, 4), (uint32_t)take_number(r));
		break;
	case 8:
		put_number(take_number(r), 8);
		put_number(take(r, 2), 2);
		break;
	case 9:
		put_fill((uint8_t)what, take_number(r) & 0x1ffff);
		break;
	case 10:
		put_some(r, take(r, 1));
		break;
	}
}

static void cook(struct recipe *r, enum nego_goal goal, bool tls)
{
	static const uint32_t options[] = {NBD_OPT_GO, NBD_OPT_INFO, NBD_OPT_LIST};
	uint32_t option = options[goal];

	stream.len = 0;
	put_number(NBD_MAGIC, 8);
	if (r->left && *r->p == 0xff) { /* may choose another greeting */
		take(r, 1);
	} else {
		put_number(NBD_IHAVEOPT, 8);
		put_number(NBD_FLAG_FIXED_NEWSTYLE | take(r, 1), 2);
		if (tls)
			put_reply(NBD_OPT_STARTTLS, NBD_REP_ACK, 0);
	}
	while (r->left && stream.len < sizeof(stream.bytes))
		step(r, &option);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nego nego;
	static struct outcome whole, pieces;
	struct nego_config cfg = {0};
	bool silent;

	if (size < 2)
		return 0;
	cfg.goal = (enum nego_goal)(data[0] % 4 % 3);
	cfg.tls = data[0] & BIT_TLS;
	cfg.export_name = data[0] & BIT_NAMED ? "f\xc3\xb6\"o\x01" : "";
	silent = data[0] & BIT_SILENT;

	if (data[0] & BIT_RECIPE) {
		struct recipe r = {data + 2, size - 2};

		cook(&r, cfg.goal, cfg.tls);
	} else {
		stream.len = 0;
		put(data + 2, size - 2);
	}
	nego_run(&nego, &cfg, stream.bytes, stream.len, silent, SPLIT_NONE, &whole);
	nego_run(&nego, &cfg, stream.bytes, stream.len, silent, 1u + data[1], &pieces);
	run_check_same(&whole, &pieces);
	return 0;
}
