/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"

/* 0 to bound, evenly. */
static uint32_t within(uint32_t bound, uint32_t random)
{
	return (uint32_t)(((uint64_t)bound + 1) * random >> 32);
}

void backoff_start(struct backoff *b, const struct backoff_config *cfg, uint64_t now)
{
	*b = (struct backoff){.cfg = cfg, .start = now};
}

uint32_t backoff_next(struct backoff *b, uint64_t now, uint32_t random)
{
	const struct backoff_config *cfg = b->cfg;
	uint32_t cap = now - b->start < cfg->fast_ms ? cfg->cap_ms : cfg->late_cap_ms;
	uint64_t bound = cfg->first_ms;

	if (b->tries > 0) {
		/* 2^16 times any base is beyond every cap. */
		bound = (uint64_t)cfg->base_ms << (b->tries > 16 ? 16 : b->tries - 1);
		if (bound > cap)
			bound = cap;
	}
	b->tries++;
	return within((uint32_t)bound, random);
}

void backoff_again(struct backoff *b)
{
	b->tries = 1;
}
