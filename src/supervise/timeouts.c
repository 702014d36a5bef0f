/* SPDX-License-Identifier: MIT */
#include "supervise/timeouts.h"

/* blk-mq's default, which the driver also goes back to. */
#define IO_TIMEOUT_SEVERAL_MS 30000
/*
 * With one connection and no request timeout, the driver looks at each request in flight once in
 * this time. When it finds that the request's connection has died, it sends the request again, so
 * the last request of an outage continues this late. The driver also logs a line for each request
 * that it finds with a live server. Measured with 64 writes at a server that carries out 16 at a
 * time, in 6 s each: 1038 lines with 1 s, 96 with 10 s, none with 30 s.
 */
#define IO_TIMEOUT_MS 10000
/*
 * At the dead timeout a request in flight fails at the driver's next look, so the time between two
 * looks is at most this part of it, but never less than IO_TIMEOUT_LEAST_MS.
 */
#define DEAD_TIMEOUT_PART   10
#define IO_TIMEOUT_LEAST_MS 1000
/* The driver looks up to a second late, because the kernel rounds such times up. */
#define LATE_MS 2000

/*
 * The driver multiplies it by HZ without an overflow check: 68 years are safe on 64 bits, 24 days
 * on 32.
 */
static const uint64_t most = sizeof(long) == 8 ? INT32_MAX : INT32_MAX / 1000;

uint64_t timeouts_dead(const struct supervisor_config *cfg)
{
	if (!cfg->reconnect)
		return 0;
	return cfg->dead_timeout_s < most ? cfg->dead_timeout_s : most;
}

static uint32_t io_of_one(const struct supervisor_config *cfg)
{
	uint64_t part = timeouts_dead(cfg) * 1000 / DEAD_TIMEOUT_PART;

	if (cfg->io_timeout_ms)
		return cfg->io_timeout_ms;
	if (part < IO_TIMEOUT_LEAST_MS)
		return IO_TIMEOUT_LEAST_MS;
	return part < IO_TIMEOUT_MS ? (uint32_t)part : IO_TIMEOUT_MS;
}

uint64_t timeouts_kernel(const struct supervisor_config *cfg)
{
	return cfg->reconnect && cfg->same_content == IDS_SAMPLE ? most : timeouts_dead(cfg);
}

uint32_t timeouts_io(const struct supervisor_config *cfg, unsigned connections)
{
	if (cfg->timeout)
		return (uint32_t)cfg->timeout * 1000;
	return connections == 1 ? io_of_one(cfg) : IO_TIMEOUT_SEVERAL_MS;
}

uint32_t timeouts_resent(const struct supervisor_config *cfg)
{
	return io_of_one(cfg) + LATE_MS;
}
