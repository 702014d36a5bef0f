/* SPDX-License-Identifier: MIT */
/*
 * Hostile servers, and servers of other protocols: everything is bounded and ends with one error.
 */
#include "nego-harness.h"

static void test_not_an_nbd_server(void **state)
{
	(void)state;
	start();
	say_str("SSH-2.0-OpenSSH_9.2p1");
	run(GO, "");
	assert_failed(ERR_PERMANENT, "this is not an NBD server: it says \"SSH-2.0-\"");
	assert_int_equal(out.consumed, 8);

	start();
	say_str("\x1b]0;\x07%n%s");
	run(GO, "");
	assert_failed(ERR_PERMANENT, "this is not an NBD server: it says \"\\x1b]0;\\x07%n%\"");

	start();
	say64(NBD_MAGIC);
	say_str("HTTP/1.1");
	run(GO, "");
	assert_violation("a handshake that does not exist, 0x485454502f312e31");
	assert_int_equal(out.consumed, 16);
}

static void test_every_magic_is_checked_in_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < 16; i++) {
		greet(FIXED);
		server.bytes[i] ^= 0x20;
		run(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
		assert_int_equal(out.err.kind, ERR_PERMANENT);
		assert_int_equal(out.sent_len, 0);
	}
	/* The reply's header without its type, the bytes 12 to 15. */
	for (size_t i = 0; i < 12; i++) {
		greet(FIXED);
		info_export(NBD_OPT_GO, 1, FLAGS);
		server.bytes[18 + i] ^= 0x01;
		run(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
		assert_int_equal(out.err.kind, ERR_PERMANENT);
		assert_int_equal(out.goodbye, 0);
		assert_int_equal(out.consumed, 18 + NBD_REPLY_LEN);
	}
}

static void test_no_reply_type_but_the_known(void **state)
{
	static const uint32_t types[] = {
	    0, NBD_REP_SERVER, NBD_REP_META_CONTEXT, 5, 0x100, 0x7fffffff,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		greet(FIXED);
		reply(NBD_OPT_GO, types[i], 4);
		run(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
		assert_memory_equal(out.err.message, BROKE "a reply that does not fit", 30);
		assert_int_equal(out.consumed, 18 + NBD_REPLY_LEN);
	}
}

static const uint32_t lengths[] = {
    0,	  1,	 2,	3,     4,	   11,	       12,	   13,	       14,
    15,	  20,	 4095,	4096,  4097,	   4098,       4099,	   8195,       8196,
    8197, 65535, 65536, 65537, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
};

/* A reply of each length, followed by zeroes: no more bytes are consumed than allowed. */
static void check_lengths(enum nego_goal goal, bool tls, uint32_t option, uint32_t type, int info)
{
	const struct nego_config cfg = {.goal = goal, .export_name = "foo", .tls = tls};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		if (option == NBD_OPT_LIST && type == NBD_REP_ACK && !lengths[i])
			continue; /* an empty list is correct */
		greet(FIXED);
		reply(option, type, lengths[i]);
		if (info >= 0)
			say16((uint16_t)info);
		say_fill(0, 70000);
		run_config(&cfg);
		assert_true(out.status == NEGO_FAILED);
		assert_int_equal(out.err.kind, ERR_PERMANENT);
		assert_true(out.consumed <= 18 + NBD_REPLY_LEN + 65536 + NBD_REPLY_LEN);
	}
}

static void test_every_length_at_its_limits(void **state)
{
	(void)state;
	check_lengths(GO, true, NBD_OPT_STARTTLS, NBD_REP_ACK, -1);
	check_lengths(GO, false, NBD_OPT_GO, NBD_REP_ACK, -1);
	check_lengths(GO, false, NBD_OPT_GO, NBD_REP_INFO, -1);
	for (int info = NBD_INFO_EXPORT; info <= NBD_INFO_BLOCK_SIZE + 1; info++)
		check_lengths(GO, false, NBD_OPT_GO, NBD_REP_INFO, info);
	check_lengths(GO, false, NBD_OPT_GO, ERR(NBD_ERR_POLICY), -1);
	check_lengths(LIST, false, NBD_OPT_LIST, NBD_REP_ACK, 0);
	check_lengths(LIST, false, NBD_OPT_LIST, NBD_REP_SERVER, -1);
}

static void test_replies_too_short_for_their_type(void **state)
{
	(void)state;
	for (uint32_t len = 0; len < 2; len++) {
		greet(FIXED);
		reply(NBD_OPT_GO, NBD_REP_INFO, len);
		say_fill(0xff, len);
		run(GO, NULL);
		assert_int_equal(out.consumed, 18 + NBD_REPLY_LEN);
		assert_memory_equal(out.err.message, BROKE "an option reply with the impossible",
				    60);
	}
	for (uint32_t len = 0; len < 4; len++) {
		greet(FIXED);
		reply(NBD_OPT_LIST, NBD_REP_SERVER, len);
		say_fill(0, len);
		run(LIST, NULL);
		assert_int_equal(out.consumed, 18 + NBD_REPLY_LEN);
		assert_memory_equal(out.err.message, BROKE "an option reply with the impossible",
				    60);
	}
}

static void test_lengths_of_listed_exports(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		greet(FIXED);
		reply(NBD_OPT_LIST, NBD_REP_SERVER, 4 + 4200);
		say32(lengths[i]);
		say_fill('x', 4200);
		ack(NBD_OPT_LIST);
		run(LIST, NULL);
		/* 4200 bytes in two strings of at most 4096 each. */
		if (lengths[i] >= 4200 - 4096 && lengths[i] <= 4096) {
			assert_done();
			assert_int_equal(strlen(out.first_name), lengths[i]);
			assert_int_equal(strlen(out.first_description), 4200 - lengths[i]);
		} else {
			assert_int_equal(out.status, NEGO_FAILED);
			assert_int_equal(out.goodbye, 0);
		}
	}
}

static void test_an_endless_list_ends(void **state)
{
	(void)state;
	for (int n = NEGO_LISTED_MAX; n <= NEGO_LISTED_MAX + 1; n++) {
		greet(FIXED);
		for (int i = 0; i < n; i++)
			listed("a", "b");
		ack(NBD_OPT_LIST);
		run(LIST, NULL);
		if (n == NEGO_LISTED_MAX)
			assert_done();
		else
			assert_violation("a list of more than 10000 exports");
		assert_int_equal(out.listed, NEGO_LISTED_MAX);
	}
}

static void test_a_session_has_a_size(void **state)
{
	const size_t entry = NBD_REPLY_LEN + 4 + 2 * NBD_STRING_MAX;

	(void)state;
	greet(FIXED);
	while (server.len <= NEGO_TOTAL_MAX) {
		reply(NBD_OPT_LIST, NBD_REP_SERVER, 4 + 2 * NBD_STRING_MAX);
		say32(NBD_STRING_MAX);
		say_fill('x', 2 * NBD_STRING_MAX);
	}
	run(LIST, NULL);
	assert_violation("a handshake of more than 32 MiB");
	assert_true(out.consumed > NEGO_TOTAL_MAX - entry && out.consumed <= NEGO_TOTAL_MAX);
}

static void test_infos_do_not_reach_the_size_of_a_session(void **state)
{
	(void)state;
	greet(FIXED);
	for (int i = 0; i <= NEGO_INFOS_MAX; i++) {
		reply(NBD_OPT_GO, NBD_REP_INFO, NEGO_DRAINED_MAX);
		say16(1000);
		say_fill('x', NEGO_DRAINED_MAX - 2);
	}
	run(GO, NULL);
	assert_violation("more than 64 pieces of information about one export");
}

static void test_silence_is_waited_for(void **state)
{
	(void)state;
	/*
	 * If the server becomes silent anywhere, the machine waits only for the rest of that
	 * message.
	 */
	greet(FIXED);
	info_text(NBD_OPT_GO, NBD_INFO_NAME, "name");
	info_export(NBD_OPT_GO, 1, FLAGS);
	ack(NBD_OPT_GO);
	server.silent = true;
	for (size_t len = server.len; len-- > 0;) {
		size_t room;

		server.len = len;
		run(GO, "foo");
		assert_int_equal(out.status, NEGO_IO);
		assert_non_null(nego_recv_buf(&nego, &room));
		assert_true(room <= NBD_REPLY_LEN);
	}
}

static void test_close_after_every_byte(void **state)
{
	size_t len;

	(void)state;
	greet(FIXED);
	ack(NBD_OPT_STARTTLS);
	info_text(NBD_OPT_GO, NBD_INFO_NAME, "name");
	reply_text(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), "text");
	export_named(1, FLAGS, true);
	len = server.len;
	run_tls(GO, "foo");
	assert_done();
	while (len-- > 0) {
		server.len = len;
		run_tls(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
		assert_int_equal(out.err.kind, ERR_RETRY);
	}
}

static void test_any_byte_may_be_wrong(void **state)
{
	static uint8_t good[1024];
	size_t len;

	(void)state;
	/* run() checks the invariants and that all splits agree. */
	greet(FIXED);
	info_block_size(NBD_OPT_GO, 512, 4096, 65536);
	info_text(NBD_OPT_GO, NBD_INFO_NAME, "name");
	info_export(NBD_OPT_GO, 1, FLAGS);
	ack(NBD_OPT_GO);
	len = server.len;
	memcpy(good, server.bytes, len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			start();
			say(good, len);
			server.bytes[i] ^= (uint8_t)(1u << bit);
			run(GO, "foo");
			assert_true(out.consumed <= len);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_not_an_nbd_server),
	    cmocka_unit_test(test_every_magic_is_checked_in_every_byte),
	    cmocka_unit_test(test_no_reply_type_but_the_known),
	    cmocka_unit_test(test_every_length_at_its_limits),
	    cmocka_unit_test(test_replies_too_short_for_their_type),
	    cmocka_unit_test(test_lengths_of_listed_exports),
	    cmocka_unit_test(test_an_endless_list_ends),
	    cmocka_unit_test(test_a_session_has_a_size),
	    cmocka_unit_test(test_infos_do_not_reach_the_size_of_a_session),
	    cmocka_unit_test(test_silence_is_waited_for),
	    cmocka_unit_test(test_close_after_every_byte),
	    cmocka_unit_test(test_any_byte_may_be_wrong),
	};

	return cmocka_run_group_tests_name("nego: hostile servers", tests, NULL, NULL);
}
