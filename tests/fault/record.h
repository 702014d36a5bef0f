/* SPDX-License-Identifier: MIT */
/* One completed request in a load's log, which is in the order of completion. */
#ifndef FAULT_RECORD_H
#define FAULT_RECORD_H

#include <stdint.h>

enum record_kind {
	RECORD_WRITE = 'w',
	RECORD_READ = 'r',
	RECORD_SCOUT = 's', /* sent during an outage, to see when answers come back */
	RECORD_SYNC = 'f',  /* a record appended and synced */
};

struct record {
	uint64_t submitted; /* ns, CLOCK_MONOTONIC */
	uint64_t completed;
	uint64_t number; /* of the block or file */
	int32_t error;	 /* 0 or an errno */
	int32_t kind;
};

struct record_log;

/* Ends the program if it cannot. */
struct record_log *record_log_new(const char *path);
/* Records the time of completion; can be called from any thread. */
void record_log_add(struct record_log *log, enum record_kind kind, uint64_t number,
		    uint64_t submitted, int error);
/* The time of the latest completion. */
uint64_t record_log_latest(const struct record_log *log);
/* Writes everything out and prints `requests N failed N`; the number of failures. */
uint64_t record_log_finish(struct record_log *log);

#endif
