/* SPDX-License-Identifier: MIT */
/* base/siphash.c: the vectors of its authors (Appendix A of the paper, and vectors.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/siphash.h"

static void vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t digest;
	} known[] = {
	    {0, UINT64_C(0x726fdb47dd0e0e31)},
	    {1, UINT64_C(0x74f839c593dc67fd)},
	    {8, UINT64_C(0x93f5f5799a932462)},
	    {15, UINT64_C(0xa129ca6149be45e5)},
	};
	uint8_t key[SIPHASH_KEY_SIZE], bytes[16];

	(void)state;
	for (uint8_t i = 0; i < 16; i++)
		key[i] = bytes[i] = i;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_int_equal(siphash(key, bytes, known[i].len), known[i].digest);
	key[0] ^= 1;
	assert_int_not_equal(siphash(key, bytes, 15), UINT64_C(0xa129ca6149be45e5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
