/* SPDX-License-Identifier: MIT */
/*
 * Spare workers for the next outage. One that was killed or has failed must be replaced before,
 * because an outage may leave no memory for another one.
 */
#ifndef SUPERVISE_RECONNECT_SPARES_H
#define SUPERVISE_RECONNECT_SPARES_H

#include <stdint.h>

#include "base/err.h"
#include "transport/helpers.h"

struct spares {
	uint64_t refill_at; /* monotonic ms: workers that have ended are replaced from then on */
	uint32_t refill_ms; /* the pause before that; 0: none was replaced yet */
};

/*
 * Replaces workers that have ended; less and less often if they always fail. 0, also if there was
 * nothing to do, or -errno with *err.
 */
int spares_tend(struct spares *p, struct helpers *helpers, uint64_t now, struct err *err);

#endif
