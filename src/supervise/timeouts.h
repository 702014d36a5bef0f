/* SPDX-License-Identifier: MIT */
/* Converts the user's timeouts into those of the kernel. Pure. */
#ifndef SUPERVISE_TIMEOUTS_H
#define SUPERVISE_TIMEOUTS_H

#include "supervise/supervisor.h"

/* Seconds that I/O waits for a connection. */
uint64_t timeouts_dead(const struct supervisor_config *cfg);
/*
 * The same for the kernel. It counts for each request from when that began to wait, and nothing
 * changes it later. If the device may be put on hold, in which I/O must not fail, the kernel waits
 * without end, and only the supervisor makes I/O fail.
 */
uint64_t timeouts_kernel(const struct supervisor_config *cfg);
/* Milliseconds after which it checks a request again. */
uint32_t timeouts_io(const struct supervisor_config *cfg, unsigned connections);
/*
 * Milliseconds from a reconnect until a single connection has got every request that was in flight
 * on the one before.
 */
uint32_t timeouts_resent(const struct supervisor_config *cfg);

#endif
