/* SPDX-License-Identifier: MIT */
/* supervise/reconnect/identity.c: which exports may serve a device that was attached to another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "supervise/attachment.h"
#include "supervise/reconnect/identity.h"

#define SIZE UINT64_C(0x40000000)
#define FLAGS                                                                        \
	(NBD_TX_HAS_FLAGS | NBD_TX_SEND_FLUSH | NBD_TX_SEND_FUA | NBD_TX_SEND_TRIM | \
	 NBD_TX_SEND_WRITE_ZEROES)
#define ALL_ACCEPTED \
	(ACCEPT_SMALLER | ACCEPT_READ_ONLY | ACCEPT_FEATURES | ACCEPT_NAME | ACCEPT_CONTENT)

static struct plan plan;
static struct nbd_export known, now;
static char name[DIGEST_TEXT_MAX];
static uint64_t size;
static struct err err;

static int setup(void **state)
{
	(void)state;
	plan = (struct plan){.size = SIZE, .block_size = 4096, .flags = FLAGS, .connections = 1};
	known = (struct nbd_export){.size = SIZE, .flags = FLAGS};
	now = known;
	size = 7;
	err = (struct err){.kind = ERR_FAILED};
	return 0;
}

static void passes(unsigned accept, uint64_t new_size)
{
	size = 7;
	if (identity_check(&plan, &known, attachment_name(&known, name), &now, accept, &size,
			   &err) != 0)
		fail_msg("%s", err.message);
	assert_int_equal(size, new_size);
}

/* Refused under `accept`, with a sentence that holds `says`. */
static void refused(unsigned accept, const char *says)
{
	size = 7;
	err = (struct err){.kind = ERR_FAILED};
	assert_int_equal(
	    identity_check(&plan, &known, attachment_name(&known, name), &now, accept, &size, &err),
	    -ESTALE);
	assert_int_equal(err.kind, ERR_PERMANENT);
	if (!strstr(err.message, says))
		fail_msg("%s", err.message);
	assert_int_equal(size, 7);
}

/* Refused without that bit, even if all others are accepted; the error names the option. */
static void refused_without(unsigned bit, const char *word)
{
	char option[64];

	snprintf(option, sizeof(option), "`--reconnect --accept %s`", word);
	refused(0, option);
	refused(ALL_ACCEPTED & ~bit, option);
}

static void the_same_passes(void **state)
{
	(void)state;
	passes(0, SIZE);
	passes(ALL_ACCEPTED, SIZE);
	assert_int_equal(
	    identity_check(&plan, &known, attachment_name(&known, name), &now, 0, &size, NULL), 0);
	now.size = 0;
	assert_int_equal(
	    identity_check(&plan, &known, attachment_name(&known, name), &now, 0, &size, NULL),
	    -ESTALE);
}

static void a_larger_one_passes(void **state)
{
	(void)state;
	now.size = 2 * SIZE;
	passes(0, 2 * SIZE);
	now.size = 2 * SIZE + 4095;
	passes(0, 2 * SIZE);
	now.size = INT64_MAX;
	passes(0, (uint64_t)INT64_MAX / 4096 * 4096);
}

/* Bytes after the last whole block never belonged to the device. */
static void the_tail_does_not_count(void **state)
{
	(void)state;
	known.size = SIZE + 512;
	now.size = SIZE + 100;
	passes(0, SIZE);
	now.size = SIZE;
	passes(0, SIZE);
}

static void a_smaller_one_has_to_be_accepted(void **state)
{
	(void)state;
	now.size = SIZE - 1;
	refused_without(ACCEPT_SMALLER, "smaller");
	refused(0, "1073741823 bytes instead of 1073741824");
	passes(ACCEPT_SMALLER, SIZE - 4096);
}

/* A server whose disk is not ready yet: it may grow again, and an empty device is useless. */
static void an_empty_one_never_passes(void **state)
{
	(void)state;
	now.size = 0;
	refused(ALL_ACCEPTED, "an empty export: waiting until it has its 1073741824 bytes again");
	now.size = 4095; /* no block fits */
	refused(ALL_ACCEPTED, "empty");
	assert_null(strstr(err.message, "--accept"));
}

static void read_only_has_to_be_accepted(void **state)
{
	(void)state;
	now.flags |= NBD_TX_READ_ONLY;
	refused_without(ACCEPT_READ_ONLY, "read-only");
	passes(ACCEPT_READ_ONLY, SIZE);
	/* Allowed for a read-only device, and if the export has become writable. */
	plan.flags |= NBD_TX_READ_ONLY;
	passes(0, SIZE);
	now.flags = FLAGS;
	passes(0, SIZE);
}

static void a_read_only_device_needs_nothing_of_writers(void **state)
{
	(void)state;
	plan.flags |= NBD_TX_READ_ONLY;
	now.flags = NBD_TX_HAS_FLAGS | NBD_TX_READ_ONLY | NBD_TX_SEND_FLUSH |
		    (FLAGS & NBD_TX_CAN_MULTI_CONN);
	passes(0, SIZE);
	/* fsync(2) works on a descriptor that is open for reading. */
	now.flags &= (uint16_t)~NBD_TX_SEND_FLUSH;
	refused(0, "no support for flush");
}

static void each_lost_feature_has_to_be_accepted(void **state)
{
	static const struct {
		uint16_t flag;
		const char *says;
	} feature[] = {{NBD_TX_SEND_FLUSH, "no support for flush"},
		       {NBD_TX_SEND_FUA, "no support for FUA"},
		       {NBD_TX_SEND_TRIM, "no support for trim"},
		       {NBD_TX_SEND_WRITE_ZEROES, "no support for write-zeroes"}};

	(void)state;
	for (size_t i = 0; i < sizeof(feature) / sizeof(feature[0]); i++) {
		setup(NULL);
		now.flags &= (uint16_t)~feature[i].flag;
		refused(0, feature[i].says);
		refused_without(ACCEPT_FEATURES, "features");
		passes(ACCEPT_FEATURES, SIZE);
		/*
		 * A feature that the device was attached without cannot be lost, and may be gained.
		 */
		plan.flags = now.flags;
		passes(0, SIZE);
		now.flags = FLAGS;
		passes(0, SIZE);
	}
	/* Other flags do not affect the driver. */
	setup(NULL);
	now.flags |= NBD_TX_ROTATIONAL | NBD_TX_SEND_CACHE | NBD_TX_SEND_DF;
	passes(0, SIZE);
}

/* Several connections cannot be reduced to one, so --accept does not help. */
static void many_connections_need_the_promise(void **state)
{
	(void)state;
	plan.flags |= NBD_TX_CAN_MULTI_CONN;
	passes(0, SIZE); /* one connection needs no promise */
	plan.connections = 2;
	refused(ALL_ACCEPTED, "several connections");
	assert_null(strstr(err.message, "--accept"));
	now.flags |= NBD_TX_CAN_MULTI_CONN;
	passes(0, SIZE);
}

static void blocks_may_not_grow(void **state)
{
	(void)state;
	known.min_block = 512;
	known.pref_block = now.pref_block = 4096;
	now.min_block = 4096;
	passes(0, SIZE);
	now.min_block = 8192;
	refused(ALL_ACCEPTED, "a minimum block size of 8192 bytes, and the device has blocks of "
			      "4096");
	assert_null(strstr(err.message, "--accept"));
	now.min_block = 0; /* undeclared */
	passes(0, SIZE);
}

/* The device's requests are as large as the first server allowed; 32 MiB if undeclared. */
static void the_payload_may_not_shrink(void **state)
{
	static const struct {
		uint32_t known, now;
		bool passes;
	} row[] = {
	    {1 << 20, 1 << 20, true},	{1 << 20, (1 << 20) - 1, false},
	    {1 << 20, 2 << 20, true},	{1 << 20, 0, true},
	    {0, 32 << 20, true},	{0, (32 << 20) - 1, false},
	    {UINT32_MAX, 0, true},	{0, UINT32_MAX, true},
	    {64 << 20, 32 << 20, true}, {UINT32_MAX, 1 << 20, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		known.max_block = row[i].known;
		now.max_block = row[i].now;
		if (row[i].passes) {
			passes(0, SIZE);
			continue;
		}
		refused(ALL_ACCEPTED, "requests of at most ");
		assert_null(strstr(err.message, "--accept"));
	}
	assert_non_null(strstr(err.message, "at most 1048576 bytes, instead of 33554432 as "
					    "before"));
}

static void another_name_has_to_be_accepted(void **state)
{
	(void)state;
	strcpy(known.name, "disk");
	strcpy(now.name, "disc");
	refused_without(ACCEPT_NAME, "name");
	passes(ACCEPT_NAME, SIZE);
	/* Not every server reports its export's name each time. */
	now.name[0] = '\0';
	passes(0, SIZE);
	strcpy(now.name, "disk");
	passes(0, SIZE);
	known.name[0] = '\0';
	passes(0, SIZE);
}

/* A change that is never accepted is reported first, because no word of --accept helps. */
static void several_differences(void **state)
{
	(void)state;
	strcpy(known.name, "a");
	strcpy(now.name, "b");
	now.flags = NBD_TX_HAS_FLAGS | NBD_TX_READ_ONLY;
	now.size = 4096;
	passes(ALL_ACCEPTED, 4096);
	refused(ALL_ACCEPTED & ~ACCEPT_READ_ONLY, "--accept read-only");
	refused(ALL_ACCEPTED & ~ACCEPT_NAME, "--accept name");
	now.min_block = 65536;
	now.size = 65536;
	refused(ALL_ACCEPTED, "minimum block size");
}

static void each_bit_has_its_word(void **state)
{
	(void)state;
	assert_string_equal(identity_words[__builtin_ctz(ACCEPT_SMALLER)], "smaller");
	assert_string_equal(identity_words[__builtin_ctz(ACCEPT_READ_ONLY)], "read-only");
	assert_string_equal(identity_words[__builtin_ctz(ACCEPT_FEATURES)], "features");
	assert_string_equal(identity_words[__builtin_ctz(ACCEPT_NAME)], "name");
	assert_string_equal(identity_words[__builtin_ctz(ACCEPT_CONTENT)], "content");
	assert_null(identity_words[__builtin_popcount(ALL_ACCEPTED)]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(the_same_passes, setup),
	    cmocka_unit_test_setup(a_larger_one_passes, setup),
	    cmocka_unit_test_setup(the_tail_does_not_count, setup),
	    cmocka_unit_test_setup(a_smaller_one_has_to_be_accepted, setup),
	    cmocka_unit_test_setup(an_empty_one_never_passes, setup),
	    cmocka_unit_test_setup(read_only_has_to_be_accepted, setup),
	    cmocka_unit_test_setup(a_read_only_device_needs_nothing_of_writers, setup),
	    cmocka_unit_test_setup(each_lost_feature_has_to_be_accepted, setup),
	    cmocka_unit_test_setup(many_connections_need_the_promise, setup),
	    cmocka_unit_test_setup(blocks_may_not_grow, setup),
	    cmocka_unit_test_setup(the_payload_may_not_shrink, setup),
	    cmocka_unit_test_setup(another_name_has_to_be_accepted, setup),
	    cmocka_unit_test_setup(several_differences, setup),
	    cmocka_unit_test(each_bit_has_its_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
