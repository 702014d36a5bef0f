/* SPDX-License-Identifier: MIT */
/*
 * The world of the herd: virtual time, and a server that many clients dial. It takes the place of
 * the event loop and of transport/attempt for supervise/reconnect/redial, which is the real one.
 */
#ifndef TESTS_HERD_WORLD_H
#define TESTS_HERD_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* What a client meets while the server is away. */
enum away {
	AWAY_PROCESS, /* its host refuses each connection at once */
	AWAY_HOST,    /* nothing answers */
	AWAY_NETWORK, /* nothing answers, and each client notices when the network is back */
};

struct world_config {
	unsigned clients;
	enum away away;
	uint64_t outage_us;  /* the server is away from 0 until then */
	uint64_t limit_us;   /* the run ends then */
	unsigned rate;	     /* connections that the server accepts in a second */
	unsigned backlog;    /* connections that wait for that; more are dropped, and sent again */
	uint64_t latency_us; /* of the network, there and back */
	uint64_t greet_us;   /* from accepting a connection to the end of its handshake */
	uint64_t seed;
};

/* In steps of a tenth of a second since the start. */
#define WORLD_STEP_US 100000

struct world_counts {
	uint32_t arrived; /* connections that reached the server's host, sent again ones included */
	uint32_t accepted; /* by the server */
	uint32_t wasted;   /* of these: the client had given up */
};

typedef void world_fn(void *arg);

void world_start(const struct world_config *cfg);
void world_stop(void);

/* Calls fn at that time, once. */
void world_at(uint64_t us, world_fn *fn, void *arg);

/* Takes one event after the other, until `done` says true or the limit is reached. */
void world_run(bool (*done)(void));

uint64_t world_now_us(void);
uint32_t world_random(void);

const struct world_counts *world_counts(unsigned *ret_steps);

#endif
