/* SPDX-License-Identifier: MIT */
/* base/text.h: bounded strings, and escaping of foreign bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static char buf[128];

static struct text start(size_t size)
{
	struct text t;

	memset(buf, '#', sizeof(buf));
	text_init(&t, buf, size);
	return t;
}

static void test_numbers(void **state)
{
	struct text t = start(sizeof(buf));

	(void)state;
	assert_string_equal(buf, "");
	text_u64(&t, 0);
	text_str(&t, " ");
	text_u64(&t, UINT64_MAX);
	text_str(&t, " ");
	text_hex(&t, 0);
	text_str(&t, " ");
	text_hex(&t, UINT64_C(0xfedcba9876543210));
	assert_string_equal(buf, "0 18446744073709551615 0x0 0xfedcba9876543210");
	assert_int_equal(t.len, strlen(buf));
}

static void test_cut(void **state)
{
	struct text t = start(6);

	(void)state;
	text_str(&t, "abc");
	text_str(&t, "defgh");
	text_str(&t, "i");
	assert_string_equal(buf, "abcde");
	assert_int_equal(buf[6], '#');

	t = start(1);
	text_str(&t, "x");
	text_u64(&t, 1);
	assert_string_equal(buf, "");
	assert_int_equal(buf[1], '#');
}

static void test_cut_spares_characters(void **state)
{
	(void)state;
	for (size_t size = 1; size <= 8; size++) {
		struct text t = start(size);

		text_str(&t, "a\xe2\x82\xac\xc3\xa4");
		text_str(&t, "z"); /* must not fill the space of a character that was cut off */
		assert_string_equal(buf, size < 2   ? ""
					 : size < 5 ? "a"
					 : size < 7 ? "a\xe2\x82\xac"
					 : size < 8 ? "a\xe2\x82\xac\xc3\xa4"
						    : "a\xe2\x82\xac\xc3\xa4z");
	}
}

static void test_quote(void **state)
{
	struct text t = start(sizeof(buf));

	(void)state;
	text_quote(&t, "a\"b\\c\n\x1b\x7f\0d", 10, 99);
	assert_string_equal(buf, "\"a\\x22b\\x5cc\\x0a\\x1b\\x7f\\x00d\"");
	t = start(sizeof(buf));
	text_quote(&t, "", 0, 99);
	assert_string_equal(buf, "\"\"");
	t = start(sizeof(buf));
	text_quote(&t, "\xc3\xa4\xc2\x9b\xff\xe2\x82\xac\xf0\x9f\x92\xbe\xed\xa0\x80", 15, 99);
	assert_string_equal(
	    buf, "\"\xc3\xa4\\xc2\\x9b\\xff\xe2\x82\xac\xf0\x9f\x92\xbe\\xed\\xa0\\x80\"");
}

static void test_limit(void **state)
{
	struct text t = start(sizeof(buf));

	(void)state;
	text_quote(&t, "abcdef", 6, 6);
	text_quote(&t, "abcdef", 6, 5);
	assert_string_equal(buf, "\"abcdef\"\"abcde...\"");
	t = start(sizeof(buf));
	text_quote(&t, "ab\xe2\x82\xacz", 6, 3); /* never half a character */
	assert_string_equal(buf, "\"ab\xe2\x82\xac...\"");
}

static void test_escape(void **state)
{
	struct text t = start(sizeof(buf));

	(void)state;
	text_escape(&t, "a\"b\\\t", 5, 99);
	assert_string_equal(buf, "a\"b\\\\x09");
}

static void test_utf8(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, result;
	} cases[] = {
	    {"a", 1, 1},
	    {"\0", 1, 1},
	    {"", 0, 0},
	    {"\xc2\x80", 2, 2},
	    {"\xc2", 1, 0},
	    {"\xc1\xbf", 2, 0},
	    {"\xe0\xa0\x80", 3, 3},
	    {"\xe0\x9f\xbf", 3, 0},
	    {"\xe2\x82", 2, 0},
	    {"\xed\x9f\xbf", 3, 3},
	    {"\xed\xa0\x80", 3, 0},
	    {"\xee\x80\x80", 3, 3},
	    {"\xf0\x90\x80\x80", 4, 4},
	    {"\xf0\x8f\xbf\xbf", 4, 0},
	    {"\xf4\x8f\xbf\xbf", 4, 4},
	    {"\xf4\x90\x80\x80", 4, 0},
	    {"\xf8\x88\x80\x80", 4, 0},
	    {"\x80", 1, 0},
	    {"\xff", 1, 0},
	    {"\xc3\x28", 2, 0},
	    {"\xe2\x82\x28", 3, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(utf8_length((const uint8_t *)cases[i].bytes, cases[i].len),
				 cases[i].result);
}

/* The first and last of each range, and their neighbours. */
/* Each on the heap, where a sanitizer finds an overrun. */
static void test_unescape(void **state)
{
	static const char *const pairs[][2] = {
	    {"", ""},
	    {"a\\040b", "a b"},
	    {"\\134134", "\\134"},
	    {"\\101\\102\\103", "ABC"},
	    {"\\377", "\377"},
	    {"\\", "\\"},
	    {"\\1", "\\1"},
	    {"a\\12", "a\\12"},
	    {"\\\\101", "\\A"},
	    {"\\400", "\\400"},
	    {"\\18x", "\\18x"},
	    {"\\ 40", "\\ 40"},
	    {"\\+40", "\\+40"},
	    {"\\777777", "\\777777"},
	    {"x\\04", "x\\04"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char *s = strdup(pairs[i][0]);

		text_unescape_octal(s);
		assert_string_equal(s, pairs[i][1]);
		free(s);
	}
}

static void test_controls(void **state)
{
	static const uint32_t controls[] = {0,	    0x1f,   0x7f,   0x80,   0x9f,   0x61c,  0x200e,
					    0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069},
			      others[] = {0x20,	  0x7e,	  0xa0,	  0x61b,  0x61d,  0x200d,
					  0x2010, 0x2027, 0x202f, 0x2065, 0x206a, 0x10ffff};
	struct text t = start(sizeof(buf));

	(void)state;
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		assert_true(utf8_is_control(controls[i]));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(utf8_is_control(others[i]));
	text_escape(&t,
		    "a\xe2\x80\xae"
		    "b\xd8\x9c\xe2\x80\xa8\xe2\x81\xa6z",
		    14, 99);
	assert_string_equal(buf, "a\\xe2\\x80\\xae"
				 "b\\xd8\\x9c\\xe2\\x80\\xa8\\xe2\\x81\\xa6z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers),  cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_quote),    cmocka_unit_test(test_cut_spares_characters),
	    cmocka_unit_test(test_limit),    cmocka_unit_test(test_escape),
	    cmocka_unit_test(test_utf8),     cmocka_unit_test(test_controls),
	    cmocka_unit_test(test_unescape),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
