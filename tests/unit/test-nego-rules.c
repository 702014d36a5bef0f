/* SPDX-License-Identifier: MIT */
/* The thirteen rules that proto.md (and care) put on a client, each with the tests that name it. */
#include "nego-harness.h"

#define FLAGS (NBD_TX_HAS_FLAGS | NBD_TX_SEND_FLUSH)
#define MIB   UINT64_C(1048576)

/* A server that takes GO (or INFO) for any name. */
static void say_accept(uint32_t option)
{
	info_export(option, MIB, FLAGS);
	ack(option);
}

static void test_rule_01_client_flags_mirror_what_was_offered(void **state)
{
	static const struct {
		uint16_t offered;
		uint32_t answer;
	} cases[] = {
	    {0, 0},
	    {FIXED, NBD_FLAG_C_FIXED_NEWSTYLE},
	    {NO_ZEROES, NBD_FLAG_C_NO_ZEROES},
	    {FIXED | NO_ZEROES, NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES},
	    {0xfffc, 0},
	    {0xffff, NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		greet(cases[i].offered);
		if (cases[i].offered & FIXED)
			say_accept(NBD_OPT_GO);
		else
			export_named(MIB, FLAGS, !(cases[i].offered & NO_ZEROES));
		run(GO, "x");
		assert_done();
		assert_int_equal(get_be32(out.sent), cases[i].answer);
		assert_int_equal(out.consumed, server.len);
	}
}

static void test_rule_02_one_option_in_flight(void **state)
{
	size_t len;

	(void)state;
	/* A final reply that is half there moves nothing. */
	greet(FIXED);
	reply(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), 4);
	say_str("tex");
	server.silent = true;
	run(GO, "x");
	assert_int_equal(out.status, NEGO_IO);
	assert_options(NBD_OPT_GO);
	assert_null(nego_send_buf(&nego, &len));
	assert_non_null(nego_recv_buf(&nego, &len));
	assert_int_equal(len, 1);
}

static void test_rule_02_starttls_without_payload_and_never_twice(void **state)
{
	const uint8_t *data;
	uint32_t len;

	(void)state;
	greet(FIXED);
	ack(NBD_OPT_STARTTLS);
	reply(NBD_OPT_GO, ERR(NBD_ERR_TLS_REQD), 0);
	run_tls(GO, "x");
	assert_int_equal(sent_option(0, &data, &len), NBD_OPT_STARTTLS);
	assert_int_equal(len, 0);
	assert_options(NBD_OPT_STARTTLS, NBD_OPT_GO);
	assert_violation("it wants TLS although TLS is up");
}

static void test_rule_02_starttls_needs_fixed_newstyle(void **state)
{
	(void)state;
	greet(NO_ZEROES);
	run_tls(GO, "x");
	assert_int_equal(out.sent_len, 0);
	assert_failed(ERR_PERMANENT, "the server cannot do TLS: it does not offer the fixed "
				     "newstyle handshake");
}

static void test_rule_03_go_is_preferred(void **state)
{
	(void)state;
	greet(FIXED | NO_ZEROES);
	say_accept(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();
	assert_options(NBD_OPT_GO);
	assert_int_equal(out.goodbye, 0);
	assert_true(out.export.size == MIB);
	assert_int_equal(out.export.flags, FLAGS);
	assert_int_equal(out.export.style, NBD_STYLE_FIXED_NEW);
}

static void test_rule_03_go_falls_back_on_unsup(void **state)
{
	(void)state;
	for (uint16_t flags = FIXED; flags <= (FIXED | NO_ZEROES); flags += NO_ZEROES) {
		greet(flags);
		reply_text(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), "what?");
		export_named(MIB, FLAGS, !(flags & NO_ZEROES));
		run(GO, "foo");
		assert_done();
		assert_options(NBD_OPT_GO, NBD_OPT_EXPORT_NAME);
		assert_int_equal(out.consumed, server.len);
		assert_true(out.export.size == MIB);
		assert_int_equal(out.export.style, NBD_STYLE_FIXED_NEW);
	}
}

static void test_rule_03_fall_back_forgets_what_came_with_go(void **state)
{
	(void)state;
	greet(FIXED | NO_ZEROES);
	info_export(NBD_OPT_GO, 7, NBD_TX_HAS_FLAGS | NBD_TX_READ_ONLY);
	info_block_size(NBD_OPT_GO, 4096, 4096, 4096);
	info_text(NBD_OPT_GO, NBD_INFO_NAME, "bar");
	reply(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), 0);
	export_named(MIB, FLAGS, false);
	run(GO, "foo");
	assert_done();
	assert_true(out.export.size == MIB);
	assert_int_equal(out.export.flags, FLAGS);
	assert_int_equal(out.export.min_block, 0);
	assert_string_equal(out.export.name, "");
}

static void test_rule_03_only_unsup_falls_back(void **state)
{
	(void)state;
	for (uint32_t error = 2; error <= 12; error++) {
		greet(FIXED);
		reply(NBD_OPT_GO, ERR(error), 0);
		export_named(MIB, FLAGS, true);
		run(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
		assert_options(NBD_OPT_GO, NBD_OPT_ABORT);
	}
}

static void test_rule_03_go_has_no_padding(void **state)
{
	size_t end;

	(void)state;
	greet(FIXED);
	say_accept(NBD_OPT_GO);
	end = server.len;
	say_fill(0, NBD_ZEROES_LEN);
	run(GO, "foo");
	assert_done();
	assert_int_equal(out.consumed, end);
}

static void test_rule_03_the_zeroes_are_taken_exactly(void **state)
{
	size_t end;

	(void)state;
	/* They are reserved: their value may come to mean something to others. */
	greet(FIXED);
	reply(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), 0);
	export_named(MIB, FLAGS, false);
	say_fill(0xa5, NBD_ZEROES_LEN);
	end = server.len;
	say_str("transmission");
	run(GO, "foo");
	assert_done();
	assert_int_equal(out.consumed, end);
}

/* True if the request for information at data names `type`; counts how often. */
static unsigned int asks_for(const uint8_t *data, uint32_t len, uint16_t type)
{
	uint32_t name = get_be32(data);
	unsigned int count = get_be16(data + 4 + name), found = 0;

	assert_int_equal(len, 4 + name + 2 + 2 * count);
	for (unsigned int i = 0; i < count; i++)
		found += get_be16(data + 4 + name + 2 + 2 * (size_t)i) == type;
	return found;
}

static void test_rule_04_block_sizes_are_asked_for_and_kept(void **state)
{
	const uint8_t *data;
	uint32_t len = 0;

	(void)state;
	greet(FIXED);
	info_block_size(NBD_OPT_GO, 4096, 65536, UINT32_MAX);
	say_accept(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();
	sent_option(0, &data, &len);
	assert_int_equal(asks_for(data, len, NBD_INFO_BLOCK_SIZE), 1);
	assert_int_equal(out.export.min_block, 4096);
	assert_int_equal(out.export.pref_block, 65536);
	assert_true(out.export.max_block == UINT32_MAX);
}

static void test_rule_04_undeclared_block_sizes_are_zero(void **state)
{
	(void)state;
	greet(FIXED);
	say_accept(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();
	assert_int_equal(out.export.min_block, 0);
	assert_int_equal(out.export.pref_block, 0);
	assert_int_equal(out.export.max_block, 0);
}

static void test_rule_04_impossible_block_sizes_are_refused(void **state)
{
	static const uint32_t good[][3] = {
	    {1, 512, 512},
	    {1, 4096, 33554432},
	    {65536, 65536, 65537},
	    {512, UINT32_C(1) << 31, UINT32_MAX},
	};
	static const uint32_t bad[][3] = {
	    {0, 512, 512},	   {3, 512, 4096},	  {131072, 131072, 131072},
	    {1, 0, 4096},	   {1, 256, 4096},	  {4096, 512, 4096},
	    {1, 513, 4096},	   {1, 4096, 4095},	  {1, 4096, 0},
	    {UINT32_MAX, 1, 1},	   {1, UINT32_MAX, 1},	  {UINT32_C(1) << 31, 512, 512},
	    {512, 4096, 4096 - 1}, {65537, 65536, 65536}, {0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		greet(FIXED);
		info_block_size(NBD_OPT_GO, good[i][0], good[i][1], good[i][2]);
		say_accept(NBD_OPT_GO);
		run(GO, "foo");
		assert_done();
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		greet(FIXED);
		info_block_size(NBD_OPT_GO, bad[i][0], bad[i][1], bad[i][2]);
		run(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
		assert_int_equal(out.err.kind, ERR_PERMANENT);
		assert_int_equal(out.goodbye, 0);
	}
	assert_violation("impossible block sizes, minimum 0, preferred 0, maximum 0");
}

static void test_rule_04_insisting_on_block_sizes_is_final(void **state)
{
	(void)state;
	greet(FIXED);
	info_block_size(NBD_OPT_GO, 4096, 4096, 65536);
	reply(NBD_OPT_GO, ERR(NBD_ERR_BLOCK_SIZE_REQD), 0);
	run(GO, "foo");
	assert_failed(ERR_PERMANENT,
		      "the server insists on block sizes although they were asked for");
	assert_goodbye_abort();
}

static void test_rule_05_infos_in_any_order(void **state)
{
	static const uint8_t orders[][4] = {
	    {0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 0, 1, 2}, {1, 2, 3, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		greet(FIXED);
		for (size_t k = 0; k < 4; k++) {
			if (orders[i][k] == NBD_INFO_EXPORT)
				info_export(NBD_OPT_GO, MIB, FLAGS);
			else if (orders[i][k] == NBD_INFO_NAME)
				info_text(NBD_OPT_GO, NBD_INFO_NAME, "canonical");
			else if (orders[i][k] == NBD_INFO_DESCRIPTION)
				info_text(NBD_OPT_GO, NBD_INFO_DESCRIPTION, "a disk");
			else
				info_block_size(NBD_OPT_GO, 512, 4096, 65536);
		}
		ack(NBD_OPT_GO);
		run(GO, "foo");
		assert_done();
		assert_true(out.export.size == MIB);
		assert_int_equal(out.export.min_block, 512);
		assert_string_equal(out.export.name, "canonical");
		assert_string_equal(out.export.description, "a disk");
	}
}

static void test_rule_05_unknown_infos_are_ignored(void **state)
{
	static const char junk[NEGO_DRAINED_MAX - 2];

	(void)state;
	greet(FIXED);
	info_bytes(NBD_OPT_GO, 4, "", 0);
	info_bytes(NBD_OPT_GO, 77, junk, 1);
	info_bytes(NBD_OPT_GO, 0xffff, junk, sizeof(junk));
	info_bytes(NBD_OPT_GO, 4, junk, 4096);
	say_accept(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();
	assert_true(out.export.size == MIB);
}

static void test_rule_05_no_info_is_listed_twice(void **state)
{
	const uint8_t *data;
	uint32_t len = 0;

	(void)state;
	greet(FIXED);
	say_accept(NBD_OPT_GO);
	run(GO, "foo");
	sent_option(0, &data, &len);
	assert_int_equal(get_be32(data), 3);
	assert_memory_equal(data + 4, "foo", 3);
	for (uint16_t type = 0; type < 4; type++)
		assert_int_equal(asks_for(data, len, type), 1);
	assert_int_equal(len, 4 + 3 + 2 + 4 * 2);
}

static void test_rule_05_ack_without_info_export_is_a_violation(void **state)
{
	(void)state;
	greet(FIXED);
	info_block_size(NBD_OPT_GO, 512, 4096, 65536);
	ack(NBD_OPT_GO);
	run(GO, "foo");
	assert_violation("agreement without a size and flags of the export");
}

static void test_rule_05_infos_said_twice(void **state)
{
	(void)state;
	/* Block sizes may be repeated, but not changed. */
	greet(FIXED);
	info_block_size(NBD_OPT_GO, 512, 4096, 65536);
	info_block_size(NBD_OPT_GO, 512, 4096, 65536);
	say_accept(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();

	for (int i = 0; i < 2; i++) {
		greet(FIXED);
		info_export(NBD_OPT_GO, MIB, FLAGS);
		info_export(NBD_OPT_GO, MIB + i, FLAGS);
		ack(NBD_OPT_GO);
		run(GO, "foo");
		assert_violation("two descriptions of one export");
	}
	for (int i = 0; i < 3; i++) {
		greet(FIXED);
		info_block_size(NBD_OPT_GO, 512, 4096, 65536);
		info_block_size(NBD_OPT_GO, i == 0 ? 1 : 512, i == 1 ? 512 : 4096,
				65536 + (i == 2));
		run(GO, "foo");
		assert_violation("two sets of block sizes for one export");
	}
}

static void test_rule_06_multi_conn_is_told_to_the_caller(void **state)
{
	struct nbd_export first;

	(void)state;
	greet(FIXED);
	info_export(NBD_OPT_GO, MIB, FLAGS | NBD_TX_CAN_MULTI_CONN);
	ack(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();
	assert_true(out.export.flags & NBD_TX_CAN_MULTI_CONN);
	first = out.export;

	greet(FIXED);
	say_accept(NBD_OPT_GO);
	run(GO, "foo");
	assert_false(out.export.flags & NBD_TX_CAN_MULTI_CONN);
	assert_false(nbd_export_equal(&first, &out.export));
}

static void test_rule_07_shutdown_is_answered_with_abort(void **state)
{
	(void)state;
	greet(FIXED);
	reply(NBD_OPT_GO, ERR(NBD_ERR_SHUTDOWN), 0);
	run(GO, "foo");
	assert_failed(ERR_RETRY, "the server is shutting down");
	assert_goodbye_abort();

	greet(FIXED);
	reply(NBD_OPT_STARTTLS, ERR(NBD_ERR_SHUTDOWN), 0);
	run_tls(GO, "foo");
	assert_failed(ERR_RETRY, "the server is shutting down");
	assert_goodbye_abort();

	greet(FIXED);
	listed("a", "");
	reply_text(NBD_OPT_LIST, ERR(NBD_ERR_SHUTDOWN), "bye");
	run(LIST, "");
	assert_failed(ERR_RETRY, "the server is shutting down (it says \"bye\")");
	assert_goodbye_abort();
}

static void test_rule_07_goodbye_after_info_and_list(void **state)
{
	(void)state;
	greet(FIXED);
	say_accept(NBD_OPT_INFO);
	run(INFO, "foo");
	assert_done();
	assert_options(NBD_OPT_INFO, NBD_OPT_ABORT);
	assert_goodbye_abort();

	greet(FIXED);
	ack(NBD_OPT_LIST);
	run(LIST, "foo");
	assert_done();
	assert_options(NBD_OPT_LIST, NBD_OPT_ABORT);
	assert_goodbye_abort();
}

static void test_rule_07_no_reply_to_abort_is_needed(void **state)
{
	size_t len;

	(void)state;
	/* Whether the reply comes, differs or stays away: nothing is read after the end. */
	for (int i = 0; i < 3; i++) {
		greet(FIXED);
		say_accept(NBD_OPT_INFO);
		len = server.len;
		if (i == 1)
			ack(NBD_OPT_ABORT);
		if (i == 2)
			say_str("garbage that is longer than any reply's header");
		run(INFO, "foo");
		assert_done();
		assert_int_equal(out.consumed, len);
		nego_recv_eof(&nego);
		assert_int_equal(nego_status(&nego), NEGO_DONE);
	}
}

static void test_rule_07_transmission_ends_with_disc(void **state)
{
	(void)state;
	/* EXPORT_NAME in place of INFO has entered the transmission phase: ABORT came too late. */
	greet(FIXED);
	reply(NBD_OPT_INFO, ERR(NBD_ERR_UNSUP), 0);
	export_named(MIB, FLAGS, true);
	run(INFO, "foo");
	assert_done();
	assert_options(NBD_OPT_INFO, NBD_OPT_EXPORT_NAME);
	assert_goodbye_disc();

	greet(0);
	export_named(MIB, FLAGS, true);
	run(INFO, "foo");
	assert_done();
	assert_int_equal(out.export.style, NBD_STYLE_NEW);
	assert_goodbye_disc();

	greet_oldstyle(MIB, FLAGS);
	run(INFO, "");
	assert_done();
	assert_goodbye_disc();
}

static void test_rule_07_violations_end_without_goodbye(void **state)
{
	(void)state;
	greet(FIXED);
	reply(NBD_OPT_GO, NBD_REP_ACK, 1);
	say_str("x");
	run(GO, "foo");
	assert_violation("an option reply with the impossible length 0x1");
}

static void test_rule_08_error_text_is_quoted_escaped_and_bounded(void **state)
{
	char text[600];

	(void)state;
	greet(FIXED);
	reply_text(NBD_OPT_GO, ERR(NBD_ERR_POLICY), "go\x1b[2J \"away\" %s\n\xff\xc3\xa9\xc2\x9b");
	run(GO, "foo");
	assert_failed(ERR_PERMANENT,
		      "the server's policy forbids the use of export \"foo\" (it says "
		      "\"go\\x1b[2J \\x22away\\x22 %s\\x0a\\xff\xc3\xa9\\xc2\\x9b\")");

	memset(text, 'z', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	greet(FIXED);
	reply_text(NBD_OPT_GO, ERR(NBD_ERR_POLICY), text);
	run(GO, "foo");
	assert_non_null(strstr(out.err.message, "zzz...\")"));
	assert_true(strlen(out.err.message) < 300);

	memset(text, 1, sizeof(text) - 1);
	greet(FIXED);
	reply_text(NBD_OPT_GO, ERR(NBD_ERR_POLICY), text);
	run(GO, "\x01\x02\x03");
	assert_non_null(strstr(out.err.message, "export \"\\x01\\x02\\x03\""));
	assert_non_null(strstr(out.err.message, "\\x01...\")"));
}

static void test_rule_08_long_error_text_is_drained(void **state)
{
	(void)state;
	greet(FIXED);
	reply(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), NEGO_DRAINED_MAX);
	say_fill('a', NEGO_DRAINED_MAX);
	export_named(MIB, FLAGS, true);
	run(GO, "foo");
	assert_done();
	assert_int_equal(out.consumed, server.len);

	greet(FIXED);
	reply(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), NEGO_DRAINED_MAX + 1);
	run(GO, "foo");
	assert_violation("an option reply with the impossible length 0x10001");
}

static void test_rule_08_strings_of_infos(void **state)
{
	static char big[NBD_STRING_MAX + 1];

	(void)state;
	memset(big, 'b', sizeof(big));
	greet(FIXED);
	info_bytes(NBD_OPT_GO, NBD_INFO_NAME, big, NBD_STRING_MAX);
	info_bytes(NBD_OPT_GO, NBD_INFO_DESCRIPTION, "\xe2\x82", 2);
	say_accept(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();
	assert_int_equal(strlen(out.export.name), NBD_STRING_MAX);
	assert_string_equal(out.export.description, "\\xe2\\x82");

	for (uint16_t type = NBD_INFO_NAME; type <= NBD_INFO_DESCRIPTION; type++) {
		greet(FIXED);
		info_bytes(NBD_OPT_GO, type, big, NBD_STRING_MAX + 1);
		run(GO, "foo");
		assert_violation("information about the export with the impossible length 0x1003");
	}
	/* A string that is none of proto.md is kept in its escaped form, cut where it must be. */
	memset(big, 0, sizeof(big));
	greet(FIXED);
	info_bytes(NBD_OPT_GO, NBD_INFO_NAME, big, NBD_STRING_MAX);
	say_accept(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();
	assert_memory_equal(out.export.name, "\\x00\\x00", 8);
	assert_int_equal(strlen(out.export.name), NBD_STRING_MAX);
}

static void test_rule_08_empty_strings_are_strings(void **state)
{
	(void)state;
	greet(FIXED);
	info_text(NBD_OPT_GO, NBD_INFO_NAME, "");
	info_text(NBD_OPT_GO, NBD_INFO_DESCRIPTION, "");
	say_accept(NBD_OPT_GO);
	run(GO, "");
	assert_done();
	assert_string_equal(out.export.name, "");
}

static void test_rule_09_tls_is_first_or_nothing(void **state)
{
	(void)state;
	greet_oldstyle(MIB, FLAGS);
	run_tls(GO, "");
	assert_failed(ERR_PERMANENT, "the server cannot do TLS: it speaks the oldstyle handshake");
	assert_int_equal(out.sent_len, 0);

	for (uint32_t error = 0; error <= 12; error++) {
		greet(FIXED);
		reply(NBD_OPT_STARTTLS, ERR(error), 0);
		say_accept(NBD_OPT_GO);
		run_tls(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
		assert_int_equal(out.err.kind,
				 error == NBD_ERR_SHUTDOWN ? ERR_RETRY : ERR_PERMANENT);
		assert_options(NBD_OPT_STARTTLS, NBD_OPT_ABORT);
	}
}

static void test_rule_09_starttls_then_the_goal(void **state)
{
	static const uint32_t options[] = {
	    [GO] = NBD_OPT_GO, [INFO] = NBD_OPT_INFO, [LIST] = NBD_OPT_LIST};

	(void)state;
	for (enum nego_goal goal = GO; goal <= LIST; goal++) {
		greet(FIXED | NO_ZEROES);
		ack(NBD_OPT_STARTTLS);
		if (goal == LIST)
			ack(NBD_OPT_LIST);
		else
			say_accept(options[goal]);
		run_tls(goal, "foo");
		assert_done();
		assert_int_equal(sent_option(0, NULL, NULL), NBD_OPT_STARTTLS);
		assert_int_equal(sent_option(1, NULL, NULL), options[goal]);
		assert_int_equal(out.tls_at, 18 + NBD_REPLY_LEN);
	}
}

static void test_rule_09_starttls_takes_no_other_reply(void **state)
{
	static const uint32_t types[] = {0, NBD_REP_SERVER, NBD_REP_INFO, NBD_REP_META_CONTEXT, 5};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		greet(FIXED);
		reply(NBD_OPT_STARTTLS, types[i], 0);
		run_tls(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
		assert_int_equal(out.goodbye, 0);
	}
	greet(FIXED);
	reply(NBD_OPT_STARTTLS, NBD_REP_ACK, 4);
	say32(0);
	run_tls(GO, "foo");
	assert_violation("an option reply with the impossible length 0x4");
}

static void test_rule_10_nothing_is_read_behind_the_starttls_ack(void **state)
{
	const struct nego_config cfg = {.goal = GO, .export_name = "foo", .tls = true};
	size_t len, used = 0;
	uint8_t *p;

	(void)state;
	greet(FIXED);
	ack(NBD_OPT_STARTTLS);
	len = server.len;
	say_accept(NBD_OPT_GO); /* an attacker's, in plaintext */
	assert_int_equal(nego_init(&nego, &cfg, NULL), 0);
	while (nego_status(&nego) == NEGO_IO) {
		size_t n;

		if (nego_send_buf(&nego, &n)) {
			nego_send_ack(&nego, n);
			continue;
		}
		p = nego_recv_buf(&nego, &n);
		assert_true(n <= len - used);
		memcpy(p, server.bytes + used, n);
		nego_recv_ack(&nego, n);
		used += n;
	}
	assert_int_equal(nego_status(&nego), NEGO_STARTTLS);
	assert_int_equal(used, len);
	assert_null(nego_recv_buf(&nego, &len));
	assert_null(nego_send_buf(&nego, &len));
	nego_recv_eof(&nego);
	assert_int_equal(nego_status(&nego), NEGO_STARTTLS);
}

static void test_rule_10_no_plaintext_fact_survives_tls(void **state)
{
	static struct nego a, b;
	static struct outcome other;
	const struct nego_config cfg = {.goal = GO, .export_name = "foo", .tls = true};

	(void)state;
	/* Two greetings that differ in all that may differ lead to one state and one result. */
	greet(FIXED);
	ack(NBD_OPT_STARTTLS);
	reply(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), 0);
	export_named(MIB, FLAGS, true);
	nego_run(&a, &cfg, server.bytes, server.len, false, 0, &out);
	assert_done();
	server.bytes[16] = 0xff;
	server.bytes[17] = 0xff;
	nego_run(&b, &cfg, server.bytes, server.len, false, 0, &other);
	run_check_same(&out, &other);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void test_rule_11_nothing_the_kernel_lacks_is_negotiated(void **state)
{
	/* run_check_sent() looks at every byte of every test; here, the widest handshake. */
	(void)state;
	greet(FIXED | NO_ZEROES);
	ack(NBD_OPT_STARTTLS);
	reply(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), 0);
	export_named(MIB, FLAGS, true);
	run_tls(GO, "foo");
	assert_done();
	assert_options(NBD_OPT_STARTTLS, NBD_OPT_GO, NBD_OPT_EXPORT_NAME);

	greet(FIXED);
	reply(NBD_OPT_GO, ERR(NBD_ERR_EXT_HEADER_REQD), 0);
	run(GO, "foo");
	assert_failed(ERR_PERMANENT, "the server insists on extended headers, which the kernel "
				     "does not speak");
}

static void test_rule_12_wrong_magic_option_or_type(void **state)
{
	(void)state;
	greet(FIXED);
	say64(NBD_REPLY_MAGIC ^ 1);
	say_fill(0, 12);
	run(GO, "foo");
	assert_violation("an option reply with the magic 0x3e889045565a8");

	greet(FIXED);
	reply(NBD_OPT_INFO, NBD_REP_ACK, 0);
	run(GO, "foo");
	assert_violation("a reply to an option that was not sent, 0x6");

	greet(FIXED);
	reply(NBD_OPT_GO, NBD_REP_SERVER, 4);
	run(GO, "foo");
	assert_violation("a reply that does not fit the option, type 0x2");

	greet(FIXED);
	reply(NBD_OPT_LIST, NBD_REP_INFO, 4);
	run(LIST, "foo");
	assert_violation("a reply that does not fit the option, type 0x3");
}

static void test_rule_12_the_number_of_infos_is_bounded(void **state)
{
	(void)state;
	for (int n = NEGO_INFOS_MAX; n <= NEGO_INFOS_MAX + 1; n++) {
		greet(FIXED);
		for (int i = 0; i < n - 1; i++)
			info_text(NBD_OPT_GO, 9, "x");
		say_accept(NBD_OPT_GO);
		run(GO, "foo");
		if (n == NEGO_INFOS_MAX)
			assert_done();
		else
			assert_violation("more than 64 pieces of information about one export");
	}
}

static void test_rule_13_nothing_is_carried_into_the_next_session(void **state)
{
	static struct nego fresh;
	const struct nego_config cfg = {.goal = GO, .export_name = "foo"};

	(void)state;
	greet(FIXED | NO_ZEROES);
	info_text(NBD_OPT_GO, NBD_INFO_DESCRIPTION, "old");
	info_block_size(NBD_OPT_GO, 512, 4096, 65536);
	say_accept(NBD_OPT_GO);
	run(GO, "a longer name");
	assert_done();
	memset(&fresh, 0x55, sizeof(fresh));
	assert_int_equal(nego_init(&nego, &cfg, NULL), 0);
	assert_int_equal(nego_init(&fresh, &cfg, NULL), 0);
	assert_memory_equal(&nego, &fresh, sizeof(nego));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rule_01_client_flags_mirror_what_was_offered),
	    cmocka_unit_test(test_rule_02_one_option_in_flight),
	    cmocka_unit_test(test_rule_02_starttls_without_payload_and_never_twice),
	    cmocka_unit_test(test_rule_02_starttls_needs_fixed_newstyle),
	    cmocka_unit_test(test_rule_03_go_is_preferred),
	    cmocka_unit_test(test_rule_03_go_falls_back_on_unsup),
	    cmocka_unit_test(test_rule_03_fall_back_forgets_what_came_with_go),
	    cmocka_unit_test(test_rule_03_only_unsup_falls_back),
	    cmocka_unit_test(test_rule_03_go_has_no_padding),
	    cmocka_unit_test(test_rule_03_the_zeroes_are_taken_exactly),
	    cmocka_unit_test(test_rule_04_block_sizes_are_asked_for_and_kept),
	    cmocka_unit_test(test_rule_04_undeclared_block_sizes_are_zero),
	    cmocka_unit_test(test_rule_04_impossible_block_sizes_are_refused),
	    cmocka_unit_test(test_rule_04_insisting_on_block_sizes_is_final),
	    cmocka_unit_test(test_rule_05_infos_in_any_order),
	    cmocka_unit_test(test_rule_05_unknown_infos_are_ignored),
	    cmocka_unit_test(test_rule_05_no_info_is_listed_twice),
	    cmocka_unit_test(test_rule_05_ack_without_info_export_is_a_violation),
	    cmocka_unit_test(test_rule_05_infos_said_twice),
	    cmocka_unit_test(test_rule_06_multi_conn_is_told_to_the_caller),
	    cmocka_unit_test(test_rule_07_shutdown_is_answered_with_abort),
	    cmocka_unit_test(test_rule_07_goodbye_after_info_and_list),
	    cmocka_unit_test(test_rule_07_no_reply_to_abort_is_needed),
	    cmocka_unit_test(test_rule_07_transmission_ends_with_disc),
	    cmocka_unit_test(test_rule_07_violations_end_without_goodbye),
	    cmocka_unit_test(test_rule_08_error_text_is_quoted_escaped_and_bounded),
	    cmocka_unit_test(test_rule_08_long_error_text_is_drained),
	    cmocka_unit_test(test_rule_08_strings_of_infos),
	    cmocka_unit_test(test_rule_08_empty_strings_are_strings),
	    cmocka_unit_test(test_rule_09_tls_is_first_or_nothing),
	    cmocka_unit_test(test_rule_09_starttls_then_the_goal),
	    cmocka_unit_test(test_rule_09_starttls_takes_no_other_reply),
	    cmocka_unit_test(test_rule_10_nothing_is_read_behind_the_starttls_ack),
	    cmocka_unit_test(test_rule_10_no_plaintext_fact_survives_tls),
	    cmocka_unit_test(test_rule_11_nothing_the_kernel_lacks_is_negotiated),
	    cmocka_unit_test(test_rule_12_wrong_magic_option_or_type),
	    cmocka_unit_test(test_rule_12_the_number_of_infos_is_bounded),
	    cmocka_unit_test(test_rule_13_nothing_is_carried_into_the_next_session),
	};

	return cmocka_run_group_tests_name("nego: the rules", tests, NULL, NULL);
}
