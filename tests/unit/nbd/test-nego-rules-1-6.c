/* SPDX-License-Identifier: MIT */
/* Long: a list of cases, each read by itself. */
/* What proto.md (and caution) requires of a client, rules 1 to 6: reaching an agreement. */
#include "nego-harness.h"

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
	/* Half of a final reply changes nothing. */
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
	assert_violation("it requires TLS although TLS is in use");
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
		if (error == NBD_ERR_INVALID) /* the request is repeated with less in it */
			reply(NBD_OPT_GO, ERR(error), 0);
		export_named(MIB, FLAGS, true);
		run(GO, "foo");
		assert_int_equal(out.status, NEGO_FAILED);
		if (error == NBD_ERR_INVALID)
			assert_options(NBD_OPT_GO, NBD_OPT_GO, NBD_OPT_ABORT);
		else
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
	/* They are reserved: their value may get a meaning later. */
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

/* True if the information request at data names `type`; counts how often. */
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

/* A description decides nothing; a name shows that this is another disk than before. */
static void test_rule_04_attaching_asks_for_little(void **state)
{
	const uint8_t *data;
	uint32_t len = 0;

	(void)state;
	greet(FIXED);
	say_accept(NBD_OPT_GO);
	run(GO, "foo");
	assert_done();
	sent_option(0, &data, &len);
	assert_int_equal(len, 4 + 3 + 2 + 2 * 2);
	assert_int_equal(asks_for(data, len, NBD_INFO_BLOCK_SIZE), 1);
	assert_int_equal(asks_for(data, len, NBD_INFO_NAME), 1);
}

static void test_rule_04_a_server_may_refuse_all_but_the_block_sizes(void **state)
{
	static const struct {
		uint32_t option;
		enum nego_goal goal;
	} cases[] = {{NBD_OPT_GO, GO}, {NBD_OPT_INFO, INFO}};
	const uint8_t *data = NULL;
	uint32_t len = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		greet(FIXED);
		reply(cases[i].option, ERR(NBD_ERR_INVALID), 0);
		info_block_size(cases[i].option, 4096, 65536, UINT32_MAX);
		say_accept(cases[i].option);
		run(cases[i].goal, "foo");
		assert_done();
		assert_int_equal(sent_option(1, &data, &len), cases[i].option);
		assert_int_equal(len, 4 + 3 + 2 + 2);
		assert_int_equal(asks_for(data, len, NBD_INFO_BLOCK_SIZE), 1);
		assert_int_equal(out.export.min_block, 4096);
	}
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
	    {0, 512, 512},	   {3, 512, 4096},     {131072, 131072, 131072},
	    {1, 4096, 0},	   {1, 512, 511},      {4096, 4096, 4095},
	    {UINT32_MAX, 1, 1},	   {1, UINT32_MAX, 1}, {UINT32_C(1) << 31, 512, 512},
	    {65537, 65536, 65536}, {512, 0, 0},	       {0, 0, 0},
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
	assert_violation("impossible limits of requests, smallest block 0, largest payload 0");
}

/* It is advice that the kernel cannot follow; the limits are still kept. */
static void test_rule_04_an_impossible_preferred_size_is_ignored(void **state)
{
	static const uint32_t odd[][3] = {
	    {1, 0, 4096},    {1, 256, 4096},	{4096, 512, 65536},	     {1, 513, 4096},
	    {1, 4096, 4095}, {512, 8192, 4096}, {1, UINT32_MAX, UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		greet(FIXED);
		info_block_size(NBD_OPT_GO, odd[i][0], odd[i][1], odd[i][2]);
		say_accept(NBD_OPT_GO);
		run(GO, "foo");
		assert_done();
		assert_int_equal(out.export.min_block, odd[i][0]);
		assert_int_equal(out.export.pref_block, 0);
		assert_true(out.export.max_block == odd[i][2]);
		assert_true(nbd_export_valid(&out.export));
	}
}

static void test_rule_04_insisting_on_block_sizes_is_final(void **state)
{
	(void)state;
	greet(FIXED);
	info_block_size(NBD_OPT_GO, 4096, 4096, 65536);
	reply(NBD_OPT_GO, ERR(NBD_ERR_BLOCK_SIZE_REQD), 0);
	run(GO, "foo");
	assert_failed(ERR_PERMANENT,
		      "the server demands that block sizes be requested, although they were");
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
	say_accept(NBD_OPT_INFO);
	run(INFO, "foo");
	sent_option(0, &data, &len);
	assert_int_equal(get_be32(data), 3);
	assert_memory_equal(data + 4, "foo", 3);
	for (uint16_t type = NBD_INFO_NAME; type <= NBD_INFO_BLOCK_SIZE; type++)
		assert_int_equal(asks_for(data, len, type), 1);
	assert_int_equal(len, 4 + 3 + 2 + 3 * 2);
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
	    cmocka_unit_test(test_rule_04_attaching_asks_for_little),
	    cmocka_unit_test(test_rule_04_a_server_may_refuse_all_but_the_block_sizes),
	    cmocka_unit_test(test_rule_04_undeclared_block_sizes_are_zero),
	    cmocka_unit_test(test_rule_04_impossible_block_sizes_are_refused),
	    cmocka_unit_test(test_rule_04_an_impossible_preferred_size_is_ignored),
	    cmocka_unit_test(test_rule_04_insisting_on_block_sizes_is_final),
	    cmocka_unit_test(test_rule_05_infos_in_any_order),
	    cmocka_unit_test(test_rule_05_unknown_infos_are_ignored),
	    cmocka_unit_test(test_rule_05_no_info_is_listed_twice),
	    cmocka_unit_test(test_rule_05_ack_without_info_export_is_a_violation),
	    cmocka_unit_test(test_rule_05_infos_said_twice),
	    cmocka_unit_test(test_rule_06_multi_conn_is_told_to_the_caller),
	};

	return cmocka_run_group_tests_name("nego: rules 1 to 6", tests, NULL, NULL);
}
