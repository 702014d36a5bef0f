/* SPDX-License-Identifier: MIT */
/*
 * When to try again: exponential with full jitter, so that a thousand clients of one restarted
 * server do not arrive in step. Pure: time (monotonic ms) and randomness are passed in.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

struct backoff_config {
	uint32_t first_ms;    /* the first try comes within this */
	uint32_t base_ms;     /* the bound of the second delay; doubles with each try */
	uint32_t cap_ms;      /* the largest bound, for the first fast_ms */
	uint32_t fast_ms;     /* since the start */
	uint32_t late_cap_ms; /* the largest bound afterwards */
};

struct backoff {
	const struct backoff_config *cfg; /* borrowed */
	uint64_t start;			  /* of the outage */
	unsigned tries;			  /* delays handed out since the last reset */
};

/* A new outage. */
void backoff_start(struct backoff *b, const struct backoff_config *cfg, uint64_t now);

/* The delay in ms before the next try; `random` is any 32 random bits. */
uint32_t backoff_next(struct backoff *b, uint64_t now, uint32_t random);

/* Something has changed: short delays again. The time of the outage goes on. */
void backoff_again(struct backoff *b);

#endif
