/* SPDX-License-Identifier: MIT */
#include "tests/fault/record.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/fault.h"

struct record_log {
	FILE *file;
	pthread_mutex_t lock; /* keeps the records in the order of their times */
	_Atomic uint64_t latest;
	uint64_t requests, failed;
};

struct record_log *record_log_new(const char *path)
{
	struct record_log *log = calloc(1, sizeof(*log));

	if (!log || !(log->file = fopen(path, "we")))
		fault_die("cannot create %s: %m", path);
	setvbuf(log->file, NULL, _IONBF, 0); /* the log must be complete even if the load hangs */
	pthread_mutex_init(&log->lock, NULL);
	log->latest = fault_now();
	return log;
}

void record_log_add(struct record_log *log, enum record_kind kind, uint64_t number,
		    uint64_t submitted, int error)
{
	struct record r = {
	    .submitted = submitted, .number = number, .error = error, .kind = (int32_t)kind};

	pthread_mutex_lock(&log->lock);
	r.completed = fault_now();
	log->latest = r.completed;
	log->requests++;
	if (error && !log->failed++)
		fprintf(stderr, "fault: the first failed request: %s\n", strerror(error));
	fwrite(&r, sizeof(r), 1, log->file);
	pthread_mutex_unlock(&log->lock);
}

uint64_t record_log_latest(const struct record_log *log)
{
	return log->latest;
}

uint64_t record_log_finish(struct record_log *log)
{
	if (fflush(log->file) != 0)
		fault_die("cannot write the log: %m");
	printf("requests %" PRIu64 " failed %" PRIu64 "\n", log->requests, log->failed);
	return log->failed;
}
