/* SPDX-License-Identifier: MIT */
#include "tests/fault/pattern.h"

#include <stddef.h>

#define WORDS (PATTERN_BLOCK / sizeof(uint64_t))
#define MAGIC 0x6e62642d61747461ULL

/* splitmix64's finaliser. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t seed(uint64_t number, uint64_t sequence)
{
	return mix(mix(number + 1) + sequence);
}

void pattern_fill(void *block, uint64_t number, uint64_t sequence)
{
	uint64_t *w = block, s = seed(number, sequence);

	w[0] = MAGIC;
	w[1] = number;
	w[2] = sequence;
	for (size_t i = 3; i < WORDS; i++)
		w[i] = s + i * 0x9e3779b97f4a7c15ULL;
}

enum pattern pattern_read(const void *block, uint64_t *ret_number, uint64_t *ret_sequence)
{
	const uint64_t *w = block;
	uint64_t s, any = 0;

	for (size_t i = 0; i < WORDS; i++)
		any |= w[i];
	if (!any)
		return PATTERN_EMPTY;
	s = seed(w[1], w[2]);
	if (w[0] != MAGIC)
		return PATTERN_TORN;
	for (size_t i = 3; i < WORDS; i++)
		if (w[i] != s + i * 0x9e3779b97f4a7c15ULL)
			return PATTERN_TORN;
	*ret_number = w[1];
	*ret_sequence = w[2];
	return PATTERN_WHOLE;
}
