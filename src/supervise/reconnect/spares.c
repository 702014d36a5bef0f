/* SPDX-License-Identifier: MIT */
#include "supervise/reconnect/spares.h"

#define REFILL_MS     10000
#define REFILL_MAX_MS 600000

int spares_tend(struct spares *p, struct helpers *helpers, uint64_t now, struct err *err)
{
	if (now < p->refill_at || helpers_missing(helpers) == 0)
		return 0;
	if (p->refill_ms == 0 || now - p->refill_at > 2 * (uint64_t)p->refill_ms)
		p->refill_ms = REFILL_MS;
	else if (p->refill_ms < REFILL_MAX_MS)
		p->refill_ms *= 2;
	p->refill_at = now + p->refill_ms;
	return helpers_fill(helpers, err);
}
