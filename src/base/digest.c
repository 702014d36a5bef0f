/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The prime is 2^88 + 0x13b. */
#define PRIME_SHIFT 24 /* of the low half into the high one: 88 - 64 */
#define PRIME_LOW   UINT64_C(0x13b)

void digest_init(struct digest *d)
{
	*d = (struct digest){UINT64_C(0x6c62272e07bb0142), UINT64_C(0x62b821756295c58d)};
}

/* d * prime modulo 2^128, in halves, because not every machine has 128-bit integers. */
static void multiply(struct digest *d)
{
	uint64_t part = (d->low & UINT32_MAX) * PRIME_LOW;
	uint64_t carry = (d->low >> 32) * PRIME_LOW + (part >> 32);

	d->high = d->high * PRIME_LOW + (carry >> 32) + (d->low << PRIME_SHIFT);
	d->low = carry << 32 | (part & UINT32_MAX);
}

void digest_add(struct digest *d, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++) {
		d->low ^= p[i];
		multiply(d);
	}
}

char *digest_text(const struct digest *d, char buf[static DIGEST_TEXT_MAX])
{
	snprintf(buf, DIGEST_TEXT_MAX, "%016" PRIx64 "%016" PRIx64, d->high, d->low);
	return buf;
}

bool digest_parse(const char *text, struct digest *ret_digest)
{
	char half[17] = "";

	if (strlen(text) != DIGEST_TEXT_MAX - 1 ||
	    strspn(text, "0123456789abcdef") != DIGEST_TEXT_MAX - 1)
		return false;
	memcpy(half, text, 16);
	ret_digest->high = strtoull(half, NULL, 16);
	ret_digest->low = strtoull(text + 16, NULL, 16);
	return true;
}
