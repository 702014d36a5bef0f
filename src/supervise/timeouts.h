/* SPDX-License-Identifier: MIT */
/* What the kernel is told of the times that the user gives. Pure. */
#ifndef SUPERVISE_TIMEOUTS_H
#define SUPERVISE_TIMEOUTS_H

#include "supervise/supervisor.h"

/* Seconds it lets I/O wait for a connection. */
uint64_t timeouts_dead(const struct supervisor_config *cfg);
/* Milliseconds after which it looks at a request again. */
uint32_t timeouts_io(const struct supervisor_config *cfg, unsigned connections);

#endif
