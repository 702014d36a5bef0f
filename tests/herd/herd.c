/* SPDX-License-Identifier: MIT */
/*
 * Many clients of one server that was away, in virtual time. The code that decides when to dial is
 * that of the program: supervise/reconnect/redial.c and base/backoff.c.
 *
 * herd [-n CLIENTS] [-w process|host|network] [-o OUTAGE] [-r RATE] [-b BACKLOG] [-d MS[,MS]]
 *	[-s SEED] [-c FILE]
 *
 * prints one line of figures, as name=value; -c FILE gets a line for each tenth of a second.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/options.h"
#include "supervise/reconnect/redial.h"
#include "tests/herd/world.h"

#define NOTICED_US 10000 /* the clients notice the loss of the server within that time */
#define PATIENCE_S 3600	 /* the run ends that long after the outage */

struct client {
	struct redial *redial;
	uint64_t back; /* us; 0: not yet */
};

static struct {
	struct client *client;
	unsigned n, back;
} herd;

static struct world_config world = {
    .clients = 10000,
    .outage_us = 30 * 1000000,
    .rate = 500,
    .backlog = 4096,
    .latency_us = 1000,
    .greet_us = 5000,
    .seed = 1,
};
static struct redial_config config = {
    .timeout_ms = OPTIONS_CONNECT_TIMEOUT,
    .backoff = {.first_ms = BACKOFF_FIRST_MS,
		.base_ms = BACKOFF_BASE_MS,
		.cap_ms = OPTIONS_RETRY_DELAY,
		.fast_ms = BACKOFF_FAST_MS,
		.late_cap_ms = OPTIONS_RETRY_DELAY_LATE},
};

static bool dialled(int ret, struct attempt_result *result, const struct err *err, void *arg)
{
	struct client *c = arg;

	(void)result, (void)err;
	if (ret < 0)
		return false;
	c->back = world_now_us();
	herd.back++;
	return true;
}

static void loses_server(void *arg)
{
	struct client *c = arg;

	redial_want(c->redial, 1, false, false);
}

static void network_is_back(void *arg)
{
	struct client *c = arg;

	redial_now(c->redial);
}

static bool all_are_back(void)
{
	return herd.back == herd.n;
}

static int by_time(const void *a, const void *b)
{
	const struct client *x = a, *y = b;

	/* Clients that never came back are last. */
	return x->back - 1 < y->back - 1 ? -1 : x->back - 1 > y->back - 1;
}

/* Seconds since the end of the outage; -1: too few came back. */
static double back_after(double share)
{
	const struct client *c = &herd.client[(size_t)((herd.n - 1) * share)];

	return c->back ? ((double)c->back - (double)world.outage_us) / 1e6 : -1;
}

/* The most in any second; it begins at any tenth of one. */
static unsigned peak(unsigned from)
{
	unsigned steps, sum = 0, most = 0;
	const struct world_counts *c = world_counts(&steps);

	for (unsigned i = from; i < steps; i++) {
		sum += c[i].arrived;
		if (i >= from + 10)
			sum -= c[i - 10].arrived;
		if (sum > most)
			most = sum;
	}
	return most;
}

static void report(void)
{
	unsigned steps, away = (unsigned)(world.outage_us / WORLD_STEP_US);
	const struct world_counts *c = world_counts(&steps);
	uint64_t arrived = 0, accepted = 0, wasted = 0;

	for (unsigned i = away; i < steps; i++) {
		arrived += c[i].arrived;
		accepted += c[i].accepted;
		wasted += c[i].wasted;
	}
	qsort(herd.client, herd.n, sizeof(*herd.client), by_time);
	printf("clients=%u back=%u peak=%u peak_up=%u arrived=%llu accepted=%llu wasted=%llu "
	       "p50=%.2f p99=%.2f all=%.2f least=%.2f\n",
	       herd.n, herd.back, peak(0), peak(away), (unsigned long long)arrived,
	       (unsigned long long)accepted, (unsigned long long)wasted, back_after(0.5),
	       back_after(0.99), back_after(1), herd.n * 0.99 / world.rate);
}

/* Clients must be sorted by the time when they came back. */
static void write_curve(const char *path)
{
	unsigned steps, next = 0;
	const struct world_counts *c = world_counts(&steps);
	_cleanup_file_ FILE *f = fopen(path, "w");

	if (!f)
		err(1, "%s", path);
	for (unsigned i = 0; i < steps; i++) {
		const uint64_t end = (uint64_t)(i + 1) * WORLD_STEP_US;

		while (next < herd.n && herd.client[next].back && herd.client[next].back < end)
			next++;
		fprintf(f, "%.1f %u %u %u %u\n", ((double)end - (double)world.outage_us) / 1e6,
			c[i].arrived * 10, c[i].accepted * 10, c[i].wasted * 10, next);
		if (next == herd.n)
			break;
	}
}

static const char *parse(int argc, char **argv)
{
	static const char *const away[] = {"process", "host", "network"};
	const char *curve = NULL;
	int c;

	while ((c = getopt(argc, argv, "n:w:o:r:b:d:t:s:c:")) != -1)
		switch (c) {
		case 'n':
			world.clients = (unsigned)atoi(optarg);
			break;
		case 'w':
			for (unsigned i = 0; i < ARRAY_SIZE(away); i++)
				if (strcmp(optarg, away[i]) == 0)
					world.away = i;
			break;
		case 'o':
			world.outage_us = (uint64_t)(atof(optarg) * 1e6);
			break;
		case 'r':
			world.rate = (unsigned)atoi(optarg);
			break;
		case 'b':
			world.backlog = (unsigned)atoi(optarg);
			break;
		case 't':
			config.timeout_ms = (uint32_t)atoi(optarg);
			break;
		case 's':
			world.seed = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			curve = optarg;
			break;
		case 'd':
			if (sscanf(optarg, "%u,%u", &config.backoff.cap_ms,
				   &config.backoff.late_cap_ms) < 1)
				errx(2, "-d %s", optarg);
			break;
		default:
			exit(2);
		}
	return curve;
}

int main(int argc, char **argv)
{
	struct endpoint endpoint = {.type = ENDPOINT_TCP};
	const struct address_list addresses = {
	    .n = 1, .item = {{.sa = {.ss_family = AF_INET}, .len = sizeof(struct sockaddr)}}};
	const char *curve = parse(argc, argv);

	world.limit_us = world.outage_us + (uint64_t)PATIENCE_S * 1000000;
	world_start(&world);
	herd.n = world.clients;
	herd.client = calloc(herd.n, sizeof(*herd.client));
	config.endpoint = &endpoint;
	config.addresses = &addresses;
	for (unsigned i = 0; i < herd.n; i++) {
		struct client *c = &herd.client[i];

		c->redial = redial_new(NULL, &config, dialled, c);
		if (!c->redial)
			err(1, "memory");
		world_at(1 + world_random() % NOTICED_US, loses_server, c);
		if (world.away == AWAY_NETWORK)
			world_at(world.outage_us + world_random() % NOTICED_US, network_is_back, c);
	}
	world_run(all_are_back);
	report();
	if (curve)
		write_curve(curve);
	for (unsigned i = 0; i < herd.n; i++)
		redial_free(herd.client[i].redial);
	free(herd.client);
	world_stop();
	return 0;
}
