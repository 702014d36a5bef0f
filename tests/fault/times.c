/* SPDX-License-Identifier: MIT */
/*
 * Evaluates a load's log. With the times FROM (the outage begins) and TO (the server listens
 * again), ns:
 *
 *	new_ms       from TO until the first completion of a request that was sent in the outage,
 *	             50 ms after FROM or later, when the connection was dead
 *	inflight     requests sent earlier than that and completed after TO, their number
 *	inflight_ms  from TO until the last of them completed
 *
 * A figure that cannot be computed from the log is -1.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/fault.h"
#include "tests/fault/record.h"

#define MARGIN 50000000

struct figures {
	uint64_t requests, writes, failed, pause, last, longest; /* longest: of one request */
	uint64_t first_new, inflight, last_inflight;
};

static void count(struct figures *f, const struct record *r, uint64_t from, uint64_t to)
{
	f->requests++;
	f->writes += r->kind != RECORD_READ;
	f->failed += r->error != 0;
	if (f->last && r->completed - f->last > f->pause)
		f->pause = r->completed - f->last;
	f->last = r->completed;
	if (r->completed - r->submitted > f->longest)
		f->longest = r->completed - r->submitted;
	if (!to || r->completed < to || r->error)
		return;
	if (r->submitted >= from + MARGIN) {
		if (!f->first_new)
			f->first_new = r->completed;
	} else {
		f->inflight++;
		f->last_inflight = r->completed;
	}
}

static double ms(uint64_t t, uint64_t to)
{
	return t ? (double)(t - to) / 1e6 : -1;
}

int fault_times(int argc, char **argv)
{
	struct figures f = {0};
	uint64_t from = 0, to = 0;
	struct record r;
	FILE *log;

	if (argc != 2 && argc != 4)
		fault_die("usage: fault times LOG [FROM TO]");
	log = fopen(argv[1], "re");
	if (!log)
		fault_die("cannot open %s: %m", argv[1]);
	if (argc == 4) {
		from = strtoull(argv[2], NULL, 10);
		to = strtoull(argv[3], NULL, 10);
	}
	while (fread(&r, sizeof(r), 1, log) == 1)
		count(&f, &r, from, to);
	fclose(log);
	printf("requests %" PRIu64 " failed %" PRIu64 " pause_ms %.0f longest_ms %.0f", f.requests,
	       f.failed, (double)f.pause / 1e6, (double)f.longest / 1e6);
	printf(" new_ms %.1f inflight %" PRIu64 " inflight_ms %.1f writes %" PRIu64 "\n",
	       ms(f.first_new, to), f.inflight, ms(f.last_inflight, to), f.writes);
	return f.failed != 0;
}
