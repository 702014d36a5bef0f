/* SPDX-License-Identifier: MIT */
/* nbd/export.h: which exports may cross a process boundary, and which ones are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nbd/export.h"

static struct nbd_export good(void)
{
	struct nbd_export e = {
	    .size = 1 << 20,
	    .flags = NBD_TX_HAS_FLAGS | NBD_TX_SEND_FLUSH,
	    .min_block = 512,
	    .pref_block = 4096,
	    .max_block = 33554432,
	    .style = NBD_STYLE_FIXED_NEW,
	    .name = "na\xc3\xafve",
	    .description = "a\ndisk",
	};

	return e;
}

static void test_valid(void **state)
{
	struct nbd_export e = good();

	(void)state;
	assert_true(nbd_export_valid(&e));
	e.size = INT64_MAX;
	e.flags = NBD_TX_KNOWN;
	e.style = NBD_STYLE_OLD;
	e.max_block = UINT32_MAX;
	assert_true(nbd_export_valid(&e));
	memset(&e, 0, sizeof(e));
	assert_true(nbd_export_valid(&e));
	memset(e.name, 'x', NBD_STRING_MAX);
	memset(e.description, 'x', NBD_STRING_MAX);
	assert_true(nbd_export_valid(&e));
}

static void test_invalid_numbers(void **state)
{
	struct nbd_export e = good();

	(void)state;
	e.size = UINT64_C(1) << 63;
	assert_false(nbd_export_valid(&e));
	e = good();
	e.flags = NBD_TX_SEND_FLUSH | NBD_TX_SEND_FUA;
	assert_false(nbd_export_valid(&e));
	e.flags = NBD_TX_SEND_FLUSH | NBD_TX_READ_ONLY;
	assert_true(nbd_export_valid(&e));
	e = good();
	e.flags |= 1 << 13;
	assert_false(nbd_export_valid(&e));
	e = good();
	e.style = NBD_STYLE_FIXED_NEW + 1;
	assert_false(nbd_export_valid(&e));
	e.style = (enum nbd_style) - 1;
	assert_false(nbd_export_valid(&e));
}

static void test_invalid_block_sizes(void **state)
{
	static const uint32_t bad[][3] = {
	    {0, 4096, 0},      {0, 0, 4096},	 {3, 4096, 4096},   {131072, 131072, 131072},
	    {512, 1, 4096},    {512, 513, 4096}, {4096, 512, 4096}, {1, 256, 4096},
	    {512, 4096, 4095}, {512, 4096, 0},	 {512, 0, 511},	    {1, 0, 1},
	};
	struct nbd_export e = good();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.min_block = bad[i][0];
		e.pref_block = bad[i][1];
		e.max_block = bad[i][2];
		assert_false(nbd_export_valid(&e));
	}
}

static void test_invalid_strings(void **state)
{
	struct nbd_export e;

	(void)state;
	for (int i = 0; i < 2; i++) {
		e = good();
		memset(i ? e.name : e.description, 'x', sizeof(e.name));
		assert_false(nbd_export_valid(&e));
		e = good();
		strcpy(i ? e.name : e.description, "bad \xc3");
		assert_false(nbd_export_valid(&e));
	}
}

static void test_strings(void **state)
{
	static char big[NBD_STRING_MAX + 1];
	static const char *const bad[] = {
	    "\x80",		/* only a continuation byte */
	    "\xc3",		/* incomplete */
	    "\xc0\xaf",		/* overlong */
	    "\xe0\x80\xaf",	/* overlong */
	    "\xed\xa0\x80",	/* a surrogate */
	    "\xf4\x90\x80\x80", /* above U+10FFFF */
	    "\xf8\x88\x80\x80\x80",
	    "fine\xff",
	};

	(void)state;
	assert_true(nbd_string_valid("", 0));
	assert_true(nbd_string_valid("\n\x7f", 2));
	assert_true(nbd_string_valid("\xf4\x8f\xbf\xbf\xe2\x82\xac", 7));
	assert_false(nbd_string_valid("a\0b", 3));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(nbd_string_valid(bad[i], strlen(bad[i])));
	memset(big, 'x', sizeof(big));
	assert_true(nbd_string_valid(big, NBD_STRING_MAX));
	assert_false(nbd_string_valid(big, NBD_STRING_MAX + 1));
}

static void test_equal(void **state)
{
	const struct nbd_export a = good();
	struct nbd_export b = good();

	(void)state;
	strcpy(b.name, "another");
	strcpy(b.description, "");
	b.style = NBD_STYLE_NEW;
	assert_true(nbd_export_equal(&a, &b));
	b.size++;
	assert_false(nbd_export_equal(&a, &b));
	b = good();
	b.flags |= NBD_TX_READ_ONLY;
	assert_false(nbd_export_equal(&a, &b));
	b = good();
	b.min_block = 1;
	assert_false(nbd_export_equal(&a, &b));
	b = good();
	b.pref_block = 512;
	assert_false(nbd_export_equal(&a, &b));
	b = good();
	b.max_block--;
	assert_false(nbd_export_equal(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_valid),	    cmocka_unit_test(test_invalid_numbers),
	    cmocka_unit_test(test_invalid_strings), cmocka_unit_test(test_invalid_block_sizes),
	    cmocka_unit_test(test_strings),	    cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
