/* SPDX-License-Identifier: MIT */
#include "supervise/timeouts.h"

/* blk-mq's default, which the driver also goes back to. */
#define IO_TIMEOUT_DEFAULT_MS 30000
/*
 * With one connection and no request timeout, the driver looks at each request in flight once in
 * this time. When it finds that the request's connection has died, it sends the request again. So a
 * reconnect is complete only after this time. The driver also logs a line for each such request.
 */
#define IO_TIMEOUT_MS 1000

uint64_t timeouts_dead(const struct supervisor_config *cfg)
{
	/*
	 * The driver multiplies it by HZ without an overflow check: 68 years are safe on 64 bits,
	 * 24 days on 32.
	 */
	const uint64_t most = sizeof(long) == 8 ? INT32_MAX : INT32_MAX / 1000;

	if (!cfg->reconnect)
		return 0;
	return cfg->dead_timeout_s < most ? cfg->dead_timeout_s : most;
}

uint32_t timeouts_io(const struct supervisor_config *cfg, unsigned connections)
{
	if (cfg->timeout)
		return (uint32_t)cfg->timeout * 1000;
	return connections == 1 ? IO_TIMEOUT_MS : IO_TIMEOUT_DEFAULT_MS;
}
