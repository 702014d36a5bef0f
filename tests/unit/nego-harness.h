/* SPDX-License-Identifier: MIT */
/* A scripted server for the negotiator's unit tests: builds its output byte by byte. */
#ifndef TESTS_NEGO_HARNESS_H
#define TESTS_NEGO_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nego-run.h"

#define GO   NEGO_GOAL_GO
#define INFO NEGO_GOAL_INFO
#define LIST NEGO_GOAL_LIST
enum { FIXED = NBD_FLAG_FIXED_NEWSTYLE, NO_ZEROES = NBD_FLAG_NO_ZEROES };
#define ERR(x) (NBD_REP_FLAG_ERROR | (x))

/* What the server of this test sends; then it closes, or is silent. */
static struct {
	uint8_t bytes[40 * 1024 * 1024];
	size_t len;
	bool silent;
} server;

static struct nego nego;
static struct outcome out;

static inline void say(const void *bytes, size_t len)
{
	assert_true(len <= sizeof(server.bytes) - server.len);
	memcpy(server.bytes + server.len, bytes, len);
	server.len += len;
}

static inline void say_str(const char *s)
{
	say(s, strlen(s));
}

static inline void say16(uint16_t v)
{
	uint8_t b[2];

	put_be16(b, v);
	say(b, sizeof(b));
}

static inline void say32(uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	say(b, sizeof(b));
}

static inline void say64(uint64_t v)
{
	uint8_t b[8];

	put_be64(b, v);
	say(b, sizeof(b));
}

static inline void say_fill(uint8_t byte, size_t len)
{
	assert_true(len <= sizeof(server.bytes) - server.len);
	memset(server.bytes + server.len, byte, len);
	server.len += len;
}

static inline void start(void)
{
	server.len = 0;
	server.silent = false;
}

/* A newstyle greeting with these handshake flags. */
static inline void greet(uint16_t flags)
{
	start();
	say64(NBD_MAGIC);
	say64(NBD_IHAVEOPT);
	say16(flags);
}

static inline void greet_oldstyle(uint64_t size, uint32_t flags)
{
	start();
	say64(NBD_MAGIC);
	say64(NBD_OLDSTYLE);
	say64(size);
	say32(flags);
	say_fill(0, NBD_ZEROES_LEN);
}

static inline void reply(uint32_t option, uint32_t type, uint32_t len)
{
	say64(NBD_REPLY_MAGIC);
	say32(option);
	say32(type);
	say32(len);
}

static inline void reply_text(uint32_t option, uint32_t type, const char *text)
{
	reply(option, type, (uint32_t)strlen(text));
	say_str(text);
}

static inline void ack(uint32_t option)
{
	reply(option, NBD_REP_ACK, 0);
}

static inline void info_export(uint32_t option, uint64_t size, uint16_t flags)
{
	reply(option, NBD_REP_INFO, NBD_INFO_EXPORT_LEN);
	say16(NBD_INFO_EXPORT);
	say64(size);
	say16(flags);
}

static inline void info_block_size(uint32_t option, uint32_t min, uint32_t pref, uint32_t max)
{
	reply(option, NBD_REP_INFO, NBD_INFO_BLOCK_SIZE_LEN);
	say16(NBD_INFO_BLOCK_SIZE);
	say32(min);
	say32(pref);
	say32(max);
}

static inline void info_bytes(uint32_t option, uint16_t type, const void *bytes, size_t len)
{
	reply(option, NBD_REP_INFO, (uint32_t)(2 + len));
	say16(type);
	say(bytes, len);
}

static inline void info_text(uint32_t option, uint16_t type, const char *text)
{
	info_bytes(option, type, text, strlen(text));
}

static inline void listed(const char *name, const char *description)
{
	reply(NBD_OPT_LIST, NBD_REP_SERVER, (uint32_t)(4 + strlen(name) + strlen(description)));
	say32((uint32_t)strlen(name));
	say_str(name);
	say_str(description);
}

/* The reply to EXPORT_NAME. */
static inline void export_named(uint64_t size, uint16_t flags, bool zeroes)
{
	say64(size);
	say16(flags);
	if (zeroes)
		say_fill(0, NBD_ZEROES_LEN);
}

#define FLAGS (NBD_TX_HAS_FLAGS | NBD_TX_SEND_FLUSH)
#define MIB   UINT64_C(1048576)

/* A server that takes GO (or INFO) for any name. */
static inline void say_accept(uint32_t option)
{
	info_export(option, MIB, FLAGS);
	ack(option);
}

/* Runs the script in many splits, all of which must end alike; the result is in `out`. */
static inline const struct outcome *run_config(const struct nego_config *cfg)
{
	static struct outcome other;
	static const uint32_t seeds[] = {SPLIT_BYTES, 2, 3, 77, 1234567, 4000000007};
	/* Long scripts test limits: for them, one more split is enough. */
	size_t n = server.len > 1024 * 1024 ? 1 : sizeof(seeds) / sizeof(seeds[0]);

	nego_run(&nego, cfg, server.bytes, server.len, server.silent, SPLIT_NONE, &out);
	for (size_t i = 0; i < n; i++) {
		nego_run(&nego, cfg, server.bytes, server.len, server.silent, seeds[i], &other);
		run_check_same(&out, &other);
	}
	return &out;
}

static inline const struct outcome *run(enum nego_goal goal, const char *name)
{
	const struct nego_config cfg = {.goal = goal, .export_name = name};

	return run_config(&cfg);
}

static inline const struct outcome *run_tls(enum nego_goal goal, const char *name)
{
	const struct nego_config cfg = {.goal = goal, .export_name = name, .tls = true};

	return run_config(&cfg);
}

#define assert_done()                                         \
	do {                                                  \
		if (out.status == NEGO_FAILED)                \
			print_error("%s\n", out.err.message); \
		assert_int_equal(out.status, NEGO_DONE);      \
	} while (0)

#define assert_failed(wanted, sentence)                         \
	do {                                                    \
		assert_int_equal(out.status, NEGO_FAILED);      \
		assert_string_equal(out.err.message, sentence); \
		assert_int_equal(out.err.kind, wanted);         \
	} while (0)

#define BROKE "the server broke the NBD protocol: "

/* A violation ends the connection without a goodbye. */
#define assert_violation(what)                            \
	do {                                              \
		assert_failed(ERR_PERMANENT, BROKE what); \
		assert_int_equal(out.goodbye, 0);         \
	} while (0)

/* The nth option that was sent (from 0), 0 if there were fewer; *ret_data may be NULL. */
static inline uint32_t sent_option(size_t nth, const uint8_t **ret_data, uint32_t *ret_len)
{
	size_t i = 4;

	while (i + NBD_OPTION_LEN <= out.sent_len && get_be64(out.sent + i) == NBD_IHAVEOPT) {
		uint32_t len = get_be32(out.sent + i + 12);

		if (!nth--) {
			if (ret_data) {
				*ret_data = out.sent + i + NBD_OPTION_LEN;
				*ret_len = len;
			}
			return get_be32(out.sent + i + 8);
		}
		i += NBD_OPTION_LEN + len;
	}
	return 0;
}

/* Fails unless exactly these options were sent; 0 ends the list. */
static inline void check_options(const uint32_t *options)
{
	size_t i = 0;

	do
		assert_int_equal(sent_option(i, NULL, NULL), options[i]);
	while (options[i++]);
}

#define assert_options(...) check_options((const uint32_t[]){__VA_ARGS__, 0})

static inline void assert_goodbye_abort(void)
{
	const uint8_t *p = out.sent + out.sent_len - out.goodbye;

	assert_int_equal(out.goodbye, NBD_OPTION_LEN);
	assert_true(get_be64(p) == NBD_IHAVEOPT);
	assert_int_equal(get_be32(p + 8), NBD_OPT_ABORT);
	assert_int_equal(get_be32(p + 12), 0);
}

static inline void assert_goodbye_disc(void)
{
	assert_true(run_is_disc(out.sent + out.sent_len - out.goodbye, out.goodbye));
}

#endif
