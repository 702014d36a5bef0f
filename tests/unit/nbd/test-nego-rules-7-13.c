/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* What proto.md (and caution) requires of a client, rules 7 to 13: endings, text, TLS, limits. */
#include "nego-harness.h"

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
	/* Whether the reply comes, differs or is missing: nothing is read after the end. */
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
	/* A string that violates proto.md is kept in its escaped form, cut at the limit. */
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
	say_accept(NBD_OPT_GO); /* from an attacker, in plain text */
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
	/* Two greetings that differ in every variable field lead to the same state and result. */
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
	/* run_check_sent() checks every byte of every test; this is the longest handshake. */
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
	assert_failed(ERR_PERMANENT,
		      "the server requires extended headers, which the kernel does not support");
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

	return cmocka_run_group_tests_name("nego: rules 7 to 13", tests, NULL, NULL);
}
