/* SPDX-License-Identifier: MIT */
/*
 * The delays between attempts to reconnect: exponential with full jitter, so that the clients of
 * one restarted server do not all reconnect at the same moment. Pure: time (monotonic ms) and
 * randomness are passed in.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

/* The supervisor's constants; `make herd` shows what many clients of one server do with them. */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_BASE_MS	 20
#define BACKOFF_FAST_MS	 (5 * 60 * 1000)

struct backoff_config {
	uint32_t first_ms;    /* ms: the bound of the first delay */
	uint32_t base_ms;     /* ms: the bound of the second delay; doubles with each attempt */
	uint32_t cap_ms;      /* ms: the largest bound during the first fast_ms */
	uint32_t fast_ms;     /* since the start */
	uint32_t late_cap_ms; /* ms: the largest bound after fast_ms */
};

struct backoff {
	const struct backoff_config *cfg; /* borrowed */
	uint64_t start;			  /* of the outage */
	unsigned tries;			  /* delays handed out since the last reset */
};

/* A new outage. */
void backoff_start(struct backoff *b, const struct backoff_config *cfg, uint64_t now);

/* The delay in ms before the next attempt; `random` is any 32 random bits. */
uint32_t backoff_next(struct backoff *b, uint64_t now, uint32_t random);

/*
 * Starts again with short delays, because something has changed. The time since the start of the
 * outage is kept.
 */
void backoff_again(struct backoff *b);

#endif
