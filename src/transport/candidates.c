/* SPDX-License-Identifier: MIT */
#include "transport/candidates.h"

#include <assert.h>

/* What a silent address gets at least, or half of what is left if that is less. */
#define SHARE_MIN_MS 1000

static_assert(ADDRESSES_MAX <= 32, "there is a bit for each");

void candidates_fail(struct candidates *c, const struct address *a)
{
	for (size_t i = 0; i < c->all->n; i++)
		if (address_equal(&c->all->item[i], a))
			c->failed |= UINT32_C(1) << i;
}

void candidates_fail_dialled(struct candidates *c, const struct dial *d)
{
	for (size_t i = 0; i < c->all->n; i++)
		if (dial_failed(d, &c->all->item[i]))
			candidates_fail(c, &c->all->item[i]);
}

unsigned candidates_left(const struct candidates *c)
{
	unsigned left = 0;

	for (size_t i = 0; i < c->all->n; i++)
		left += !(c->failed >> i & 1);
	return left;
}

void candidates_list(const struct candidates *c, struct address_list *ret_list)
{
	ret_list->n = 0;
	for (size_t i = 0; i < c->all->n; i++)
		if (!(c->failed >> i & 1))
			ret_list->item[ret_list->n++] = c->all->item[i];
}

bool candidates_share(const struct candidates *c, uint64_t left_ms, uint64_t *ret_ms)
{
	uint64_t least = left_ms / 2 < SHARE_MIN_MS ? left_ms / 2 : SHARE_MIN_MS, ms;
	unsigned n = candidates_left(c);

	if (n < 2)
		return false;
	ms = left_ms / n > least ? left_ms / n : least;
	if (ms >= 1000) /* people read it: "within 5 s", not 4.997 */
		ms = (ms + 50) / 100 * 100;
	*ret_ms = ms;
	return true;
}
