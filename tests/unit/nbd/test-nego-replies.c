/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* Each way in which a server can answer, and the error that users see. */
#include "nego-harness.h"

struct refusal {
	uint32_t error;
	const char *sentence;
};

static const struct refusal export_refusals[] = {
    {NBD_ERR_POLICY, "the server's policy forbids the use of export \"foo\""},
    {NBD_ERR_INVALID, "the server says that the request for export \"foo\" is invalid"},
    {NBD_ERR_PLATFORM, "the server's platform cannot serve export \"foo\""},
    {NBD_ERR_TLS_REQD, "the server requires TLS: use nbds:// or --tls"},
    {NBD_ERR_UNKNOWN,
     "the server has no export \"foo\": `nbd-attach --list HOST` shows what it has"},
    {NBD_ERR_SHUTDOWN, "the server is shutting down"},
    {NBD_ERR_BLOCK_SIZE_REQD,
     "the server demands that block sizes be requested, although they were"},
    {NBD_ERR_TOO_BIG, "the server says that the request is too big to answer"},
    {NBD_ERR_EXT_HEADER_REQD,
     "the server requires extended headers, which the kernel does not support"},
    {0, "the server refuses export \"foo\", for a reason that nbd-attach does not know, error "
	"0x80000000"},
    {11, "the server refuses export \"foo\", for a reason that nbd-attach does not know, error "
	 "0x8000000b"},
    {0x7fffffff, "the server refuses export \"foo\", for a reason that nbd-attach does not know, "
		 "error 0xffffffff"},
    {0, NULL},
};

static const struct refusal list_refusals[] = {
    {NBD_ERR_UNSUP, "the server cannot list its exports: give the name of one"},
    {NBD_ERR_POLICY, "the server's policy forbids listing its exports"},
    {NBD_ERR_INVALID, "the server says that the request for its exports is invalid"},
    {NBD_ERR_PLATFORM, "the server cannot list its exports: give the name of one"},
    {NBD_ERR_TLS_REQD, "the server requires TLS: use nbds:// or --tls"},
    {NBD_ERR_UNKNOWN, "the server has no exports to list"},
    {NBD_ERR_SHUTDOWN, "the server is shutting down"},
    {NBD_ERR_BLOCK_SIZE_REQD,
     "the server demands that block sizes be requested, although they were"},
    {NBD_ERR_TOO_BIG, "the server says that the request is too big to answer"},
    {NBD_ERR_EXT_HEADER_REQD,
     "the server requires extended headers, which the kernel does not support"},
    {99, "the server refuses to list its exports, for a reason that nbd-attach does not know, "
	 "error 0x80000063"},
    {0, NULL},
};

#define NO_TLS "the server does not offer TLS: nbd:// without --tls connects without encryption"

static const struct refusal tls_refusals[] = {
    {NBD_ERR_UNSUP, NO_TLS},
    {NBD_ERR_POLICY, NO_TLS},
    {NBD_ERR_INVALID, "the server says that the request for TLS is invalid"},
    {NBD_ERR_PLATFORM, "the server was built without TLS, or its platform lacks it"},
    {NBD_ERR_TLS_REQD, "the server requires TLS and refuses to start it"},
    {NBD_ERR_UNKNOWN, "the server refuses TLS with the error for an unknown export"},
    {NBD_ERR_SHUTDOWN, "the server is shutting down"},
    {NBD_ERR_BLOCK_SIZE_REQD,
     "the server demands that block sizes be requested, although they were"},
    {NBD_ERR_TOO_BIG, "the server says that the request is too big to answer"},
    {NBD_ERR_EXT_HEADER_REQD,
     "the server requires extended headers, which the kernel does not support"},
    {12, "the server refuses TLS, for a reason that nbd-attach does not know, error 0x8000000c"},
    {0, NULL},
};

static void check_refusals(enum nego_goal goal, bool tls, uint32_t option, const struct refusal *r)
{
	const struct nego_config cfg = {.goal = goal, .export_name = "foo", .tls = tls};
	char with_text[ERR_MESSAGE_MAX];

	for (; r->sentence; r++) {
		enum err_kind kind = r->error == NBD_ERR_SHUTDOWN ? ERR_RETRY : ERR_PERMANENT;
		/* A request that is called invalid is repeated with less in it. */
		bool twice =
		    r->error == NBD_ERR_INVALID && (option == NBD_OPT_GO || option == NBD_OPT_INFO);

		greet(FIXED);
		if (twice)
			reply(option, ERR(r->error), 0);
		reply(option, ERR(r->error), 0);
		run_config(&cfg);
		assert_failed(kind, r->sentence);
		assert_goodbye_abort();
		assert_int_equal(out.consumed, server.len);

		greet(FIXED);
		if (twice)
			reply(option, ERR(r->error), 0);
		reply_text(option, ERR(r->error), "not today");
		run_config(&cfg);
		snprintf(with_text, sizeof(with_text), "%s (it says \"not today\")", r->sentence);
		assert_failed(kind, with_text);
	}
}

static void test_every_refusal_has_a_sentence(void **state)
{
	(void)state;
	check_refusals(GO, false, NBD_OPT_GO, export_refusals);
	check_refusals(INFO, false, NBD_OPT_INFO, export_refusals);
	check_refusals(LIST, false, NBD_OPT_LIST, list_refusals);
	check_refusals(GO, true, NBD_OPT_STARTTLS, tls_refusals);
	check_refusals(LIST, true, NBD_OPT_STARTTLS, tls_refusals);
}

/* It closes the connection instead of answering the request that was made with less in it. */
static void test_a_refusal_is_kept(void **state)
{
	static const char refusal[] = "the server says that the request for export \"foo\" is "
				      "invalid (it says \"bad name\")";
	const enum nego_goal goals[] = {GO, INFO};

	(void)state;
	for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++) {
		uint32_t option = goals[i] == GO ? NBD_OPT_GO : NBD_OPT_INFO;

		greet(FIXED);
		reply_text(option, ERR(NBD_ERR_INVALID), "bad name");
		run(goals[i], "foo");
		assert_failed(ERR_PERMANENT, refusal);
		assert_options(option, option);

		/* An answer to the second request counts. */
		greet(FIXED);
		reply_text(option, ERR(NBD_ERR_INVALID), "bad name");
		reply_text(option, ERR(NBD_ERR_POLICY), "not today");
		run(goals[i], "foo");
		assert_failed(ERR_PERMANENT, "the server's policy forbids the use of export "
					     "\"foo\" (it says \"not today\")");
	}
	greet(FIXED);
	reply_text(NBD_OPT_GO, ERR(NBD_ERR_INVALID), "bad name");
	info_export(NBD_OPT_GO, MIB, FLAGS);
	run(GO, "foo");
	assert_int_equal(out.err.kind, ERR_RETRY);
}

static void test_unknown_default_export(void **state)
{
	(void)state;
	greet(FIXED);
	reply(NBD_OPT_GO, ERR(NBD_ERR_UNKNOWN), 0);
	run(GO, "");
	assert_failed(
	    ERR_PERMANENT,
	    "the server has no default export: `nbd-attach --list HOST` shows which to name");

	greet(FIXED);
	reply(NBD_OPT_GO, ERR(NBD_ERR_POLICY), 0);
	run(GO, NULL);
	assert_failed(ERR_PERMANENT, "the server's policy forbids the use of the default export");
}

static void test_sentences_hold_the_longest_texts(void **state)
{
	static char name[NBD_STRING_MAX + 1];

	(void)state;
	/* The worst of both: a name and a text that quadruple when escaped. */
	memset(name, 1, NBD_STRING_MAX);
	greet(FIXED);
	reply(NBD_OPT_GO, ERR(0), 4096);
	say_fill(0x80, 4096);
	run(GO, name);
	assert_int_equal(out.status, NEGO_FAILED);
	assert_true(strlen(out.err.message) < ERR_MESSAGE_MAX);

	/* A cut within a character leaves valid text (run_check_sentence). */
	for (size_t pad = 0; pad < 4; pad++) {
		greet(FIXED);
		reply(NBD_OPT_GO, ERR(0), (uint32_t)(pad + 400));
		say_fill(0x80, pad);
		for (size_t i = 0; i < 100; i++)
			say_str("\xf0\x9f\x92\xbe");
		run(GO, name);
		assert_int_equal(out.status, NEGO_FAILED);
	}
}

static void test_oldstyle(void **state)
{
	size_t end;

	(void)state;
	greet_oldstyle(1 << 20, FLAGS);
	end = server.len;
	say_str("transmission");
	run(GO, "");
	assert_done();
	assert_int_equal(out.consumed, end);
	assert_int_equal(out.sent_len, 0);
	assert_true(out.export.size == 1 << 20);
	assert_int_equal(out.export.flags, FLAGS);
	assert_int_equal(out.export.style, NBD_STYLE_OLD);

	greet_oldstyle(1 << 20, UINT32_C(0xabcd0000) | FLAGS);
	run(GO, "");
	assert_done();
	assert_int_equal(out.export.flags, FLAGS);

	greet_oldstyle(1 << 20, FLAGS);
	run(GO, "foo");
	assert_failed(ERR_PERMANENT,
		      "the server speaks the oldstyle handshake, which has one export without a "
		      "name: leave the export name out to use it");

	greet_oldstyle(1 << 20, FLAGS);
	run(LIST, "");
	assert_failed(ERR_PERMANENT,
		      "the server cannot list exports: it speaks the oldstyle handshake, which "
		      "has one export without a name");

	greet_oldstyle(UINT64_C(1) << 63, FLAGS);
	run(GO, "");
	assert_violation("an export of the impossible size 0x8000000000000000");
}

static void test_newstyle_without_the_fixed_flag(void **state)
{
	const uint8_t *data;
	uint32_t len;

	(void)state;
	greet(0);
	export_named(5, FLAGS, true);
	run(GO, "foo");
	assert_done();
	assert_options(NBD_OPT_EXPORT_NAME);
	sent_option(0, &data, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "foo", 3);
	assert_int_equal(out.export.style, NBD_STYLE_NEW);

	greet(0);
	run(LIST, "");
	assert_failed(ERR_PERMANENT, "the server cannot list exports: it does not offer the fixed "
				     "newstyle handshake");
	assert_int_equal(out.sent_len, 0);
}

static void test_a_reply_to_export_name_is_no_export(void **state)
{
	(void)state;
	greet(0);
	reply(NBD_OPT_EXPORT_NAME, ERR(NBD_ERR_UNKNOWN), 0);
	run(GO, "foo");
	assert_violation("an option reply to EXPORT_NAME");
}

static void test_sizes_and_flags(void **state)
{
	static const uint64_t sizes[] = {0, 1, 511, UINT64_C(3) << 40, INT64_MAX};
	static const uint64_t bad[] = {UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 511};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		greet(FIXED);
		info_export(NBD_OPT_GO, sizes[i], FLAGS);
		ack(NBD_OPT_GO);
		run(GO, "foo");
		assert_done();
		assert_true(out.export.size == sizes[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		greet(FIXED);
		info_export(NBD_OPT_GO, bad[i], FLAGS);
		run(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
		assert_int_equal(out.goodbye, 0);

		greet(NO_ZEROES);
		export_named(bad[i], FLAGS, false);
		run(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
	}

	/* Unknown flags are ignored; without HAS_FLAGS, all but the two that protect. */
	greet(FIXED);
	info_export(NBD_OPT_GO, 1, 0xffff);
	ack(NBD_OPT_GO);
	run(GO, "foo");
	assert_int_equal(out.export.flags, NBD_TX_KNOWN);
	greet(FIXED);
	info_export(NBD_OPT_GO, 1, 0xfffe);
	ack(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();
	assert_int_equal(out.export.flags, NBD_TX_READ_ONLY | NBD_TX_SEND_FLUSH);
	greet(NO_ZEROES);
	export_named(MIB, 0xfffe, false);
	run(GO, "foo");
	assert_done();
	assert_int_equal(out.export.flags, NBD_TX_READ_ONLY | NBD_TX_SEND_FLUSH);
}

static void test_info_without_a_size_asks_again(void **state)
{
	(void)state;
	greet(FIXED);
	info_text(NBD_OPT_INFO, NBD_INFO_DESCRIPTION, "from INFO");
	info_export(NBD_OPT_INFO, 0, FLAGS);
	ack(NBD_OPT_INFO);
	info_export(NBD_OPT_GO, 4096, FLAGS);
	ack(NBD_OPT_GO);
	run(INFO, "foo");
	assert_done();
	assert_options(NBD_OPT_INFO, NBD_OPT_GO);
	assert_goodbye_disc();
	assert_true(out.export.size == 4096);
	assert_string_equal(out.export.description, "");

	greet(FIXED);
	info_export(NBD_OPT_INFO, 0, FLAGS);
	ack(NBD_OPT_INFO);
	info_export(NBD_OPT_GO, 0, FLAGS);
	ack(NBD_OPT_GO);
	run(INFO, "foo");
	assert_done();
	assert_true(out.export.size == 0);
}

static void test_list(void **state)
{
	(void)state;
	greet(FIXED);
	listed("", "the default one");
	listed("second", "");
	listed("\xc3\xa4", "two\nlines");
	ack(NBD_OPT_LIST);
	run(LIST, NULL);
	assert_done();
	assert_int_equal(out.listed, 3);
	assert_string_equal(out.first_name, "");
	assert_string_equal(out.first_description, "the default one");
	assert_null(nego_export(&nego));
	assert_null(nego_err(&nego));

	greet(FIXED);
	listed("\xff", "\xc3");
	ack(NBD_OPT_LIST);
	run(LIST, NULL);
	assert_done();
	assert_string_equal(out.first_name, "\\xff");
	assert_string_equal(out.first_description, "\\xc3");
}

static void test_list_holds_the_longest_strings(void **state)
{
	(void)state;
	greet(FIXED);
	reply(NBD_OPT_LIST, NBD_REP_SERVER, 4 + 2 * NBD_STRING_MAX);
	say32(NBD_STRING_MAX);
	say_fill('n', NBD_STRING_MAX);
	say_fill('d', NBD_STRING_MAX);
	ack(NBD_OPT_LIST);
	run(LIST, NULL);
	assert_done();
	assert_int_equal(strlen(out.first_name), NBD_STRING_MAX);
	assert_int_equal(strlen(out.first_description), NBD_STRING_MAX);
}

/* The number of bytes before the close decides the error. */
static void check_eof(enum nego_goal goal, bool tls, size_t len, const char *sentence)
{
	const struct nego_config cfg = {.goal = goal, .export_name = "foo", .tls = tls};

	assert_true(len <= server.len);
	server.len = len;
	run_config(&cfg);
	assert_failed(ERR_RETRY, sentence);
	assert_int_equal(out.goodbye, 0);
}

static void test_end_of_connection(void **state)
{
	static const char greeting[] =
	    "the server closed the connection in the middle of its greeting";
	static const char naming[] =
	    "the server closed the connection when asked for export \"foo\": it may not have that "
	    "export, require TLS, or be shutting down";

	(void)state;
	greet(0);
	export_named(1, FLAGS, true);
	check_eof(GO, false, 18 + 10 + 123,
		  "the server closed the connection in the middle of describing its export");
	check_eof(GO, false, 18 + 9, naming);
	check_eof(GO, false, 18, naming);
	check_eof(GO, false, 17, greeting);
	check_eof(GO, false, 8, greeting);
	check_eof(GO, false, 1, greeting);
	check_eof(GO, false, 0,
		  "the server closed the connection without an answer: it may be shutting down, "
		  "have too many clients, or not accept this address");

	greet(FIXED);
	reply_text(NBD_OPT_GO, ERR(NBD_ERR_UNSUP), "xy");
	check_eof(GO, false, server.len, naming);
	check_eof(GO, false, server.len - 1,
		  "the server closed the connection instead of answering the request for export "
		  "\"foo\"");
	check_eof(LIST, false, 18, "the server closed the connection when asked for its exports");
	check_eof(GO, true, 18, "the server closed the connection when asked for TLS");

	greet_oldstyle(1, FLAGS);
	server.len = 20;
	run(GO, "");
	assert_failed(ERR_RETRY, greeting);
}

static void test_eof_while_sending(void **state)
{
	const struct nego_config cfg = {.goal = GO, .export_name = "foo"};
	size_t len, used = 0;
	uint8_t *p;

	(void)state;
	/* EPIPE: the caller could not send, and says so with nego_recv_eof(). */
	greet(FIXED);
	assert_int_equal(nego_init(&nego, &cfg, NULL), 0);
	while ((p = nego_recv_buf(&nego, &len))) {
		memcpy(p, server.bytes + used, len);
		nego_recv_ack(&nego, len);
		used += len;
	}
	assert_non_null(nego_send_buf(&nego, &len));
	nego_recv_eof(&nego);
	assert_int_equal(nego_status(&nego), NEGO_FAILED);
	assert_null(nego_send_buf(&nego, &len));
	assert_int_equal(nego_err(&nego)->kind, ERR_RETRY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_refusal_has_a_sentence),
	    cmocka_unit_test(test_a_refusal_is_kept),
	    cmocka_unit_test(test_unknown_default_export),
	    cmocka_unit_test(test_sentences_hold_the_longest_texts),
	    cmocka_unit_test(test_oldstyle),
	    cmocka_unit_test(test_newstyle_without_the_fixed_flag),
	    cmocka_unit_test(test_a_reply_to_export_name_is_no_export),
	    cmocka_unit_test(test_sizes_and_flags),
	    cmocka_unit_test(test_info_without_a_size_asks_again),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_list_holds_the_longest_strings),
	    cmocka_unit_test(test_end_of_connection),
	    cmocka_unit_test(test_eof_while_sending),
	};

	return cmocka_run_group_tests_name("nego: replies", tests, NULL, NULL);
}
