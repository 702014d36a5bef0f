/* SPDX-License-Identifier: MIT */
/* Shared by the fuzz targets. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define require(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* UTF-8 without control characters, except those in `but`. */
static inline bool fuzz_printable(const char *s, size_t len, const char *but)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_length(p + i, len - i);
		if (n == 0)
			return false;
		if (n == 1 && p[i] && strchr(but, p[i]))
			continue;
		if ((n == 1 && (p[i] < ' ' || p[i] == 0x7f)) ||
		    (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0))
			return false;
	}
	return true;
}

static inline bool fuzz_text_printable(const char *s, size_t size)
{
	size_t len = strnlen(s, size);

	return len < size && fuzz_printable(s, len, "");
}

/*
 * The input as a string on the heap with its exact length: a sanitizer finds a read past its end.
 */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	require(s);
	if (size)
		memcpy(s, data, size);
	s[size] = '\0';
	return s;
}

/* The input as a file to read; the caller closes it. */
static inline FILE *fuzz_file(const uint8_t *data, size_t size)
{
	FILE *f = size ? fmemopen((void *)(uintptr_t)data, size, "r") : fopen("/dev/null", "re");

	require(f);
	return f;
}

/* The rest of the input, consumed piece by piece; zeroes after its end. */
struct fuzz_input {
	const uint8_t *p;
	size_t left;
};

static inline void fuzz_take(struct fuzz_input *in, void *to, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	if (n)
		memset(to, 0, n);
	if (have)
		memcpy(to, in->p, have);
	in->p += have;
	in->left -= have;
}

#endif
