/* SPDX-License-Identifier: MIT */
/*
 * FNV-1a with 128 bits (draft-eastlake-fnv): detects contents that differ by mistake. It does not
 * protect against collisions made on purpose. Pure.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest {
	uint64_t high, low;
};

#define DIGEST_TEXT_MAX 33 /* 32 hexadecimal digits and NUL */

void digest_init(struct digest *d);
void digest_add(struct digest *d, const void *bytes, size_t len);

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->high == b->high && a->low == b->low;
}

/* Returns buf. */
char *digest_text(const struct digest *d, char buf[static DIGEST_TEXT_MAX]);

/* Returns false if the text is not a digest in this form. */
bool digest_parse(const char *text, struct digest *ret_digest);

#endif
