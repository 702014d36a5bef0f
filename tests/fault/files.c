/* SPDX-License-Identifier: MIT */
/*
 * The load on a file system: each thread appends numbered records to its own file, with an fsync
 * after each, and the ledger holds which of them were confirmed. verify-files requires all of
 * those, in order; later records may exist or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/fault.h"
#include "tests/fault/ledger.h"
#include "tests/fault/pattern.h"
#include "tests/fault/record.h"

#define THREADS_MAX 64
#define RECORDS_MAX 256 /* then writing starts again at the beginning of the file */

static const char *mountpoint;
static struct ledger ledger;
static struct record_log *records;

static int open_file(uint64_t thread, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/records-%" PRIu64, mountpoint, thread);
	return open(path, flags | O_CLOEXEC, 0644);
}

static int append(int fd, uint64_t thread, uint64_t number)
{
	uint64_t block[PATTERN_BLOCK / sizeof(uint64_t)];
	ssize_t n;

	pattern_fill(block, thread, number);
	n = pwrite(fd, block, sizeof(block), (off_t)((number - 1) % RECORDS_MAX * PATTERN_BLOCK));
	if (n != sizeof(block))
		return n < 0 ? errno : EIO;
	return fsync(fd) < 0 ? errno : 0;
}

static void *keep_appending(void *arg)
{
	struct ledger_entry *e = arg;
	uint64_t thread = (uint64_t)(e - ledger.entries), start;
	int fd = open_file(thread, O_RDWR | O_CREAT | O_TRUNC), error;

	if (fd < 0)
		fault_die("cannot create a file: %m");
	while (!fault_stop) {
		e->issued++;
		start = fault_now();
		error = append(fd, thread, e->issued);
		record_log_add(records, RECORD_SYNC, thread, start, error);
		if (error)
			break; /* after a failed fsync the state of the data is unknown */
		e->confirmed = e->issued;
	}
	close(fd);
	return NULL;
}

int fault_files(int argc, char **argv)
{
	pthread_t threads[THREADS_MAX];
	unsigned n = 4;
	char path[4096];
	int c;

	while ((c = getopt(argc, argv, "j:")) == 'j')
		n = (unsigned)strtoul(optarg, NULL, 10);
	if (c != -1 || argc - optind != 2 || n < 1 || n > THREADS_MAX)
		fault_die("usage: fault files [-j THREADS] MOUNTPOINT DIR");
	mountpoint = argv[optind];
	snprintf(path, sizeof(path), "%s/ledger", argv[optind + 1]);
	ledger_create(&ledger, path, n);
	snprintf(path, sizeof(path), "%s/log", argv[optind + 1]);
	records = record_log_new(path);
	fault_catch();
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, keep_appending, &ledger.entries[i]) != 0)
			fault_die("no thread");
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return record_log_finish(records) != 0;
}

/* The latest confirmed record that may stand at this place of the file. */
static uint64_t due_at(uint64_t place, uint64_t confirmed)
{
	uint64_t rounds = (confirmed - 1 - place) / RECORDS_MAX;

	return place + 1 + rounds * RECORDS_MAX;
}

static uint64_t verify_file(uint64_t thread)
{
	const struct ledger_entry *e = &ledger.entries[thread];
	uint64_t block[PATTERN_BLOCK / sizeof(uint64_t)], bad = 0, number, found;
	uint64_t n = e->confirmed < RECORDS_MAX ? e->confirmed : RECORDS_MAX;
	int fd = open_file(thread, O_RDONLY);

	if (fd < 0)
		return n;
	for (uint64_t i = 0; i < n; i++) {
		number = found = 0;
		if (pread(fd, block, sizeof(block), (off_t)(i * PATTERN_BLOCK)) == sizeof(block) &&
		    pattern_read(block, &number, &found) == PATTERN_WHOLE && number == thread &&
		    found >= due_at(i, e->confirmed) && found <= e->issued)
			continue;
		if (bad++ < 3)
			printf("file %" PRIu64 ", place %" PRIu64 ": found %" PRIu64
			       ", confirmed %" PRIu64 "\n",
			       thread, i, found, (uint64_t)e->confirmed);
	}
	close(fd);
	return bad;
}

int fault_verify_files(int argc, char **argv)
{
	uint64_t bad = 0, confirmed = 0;

	if (argc != 3)
		fault_die("usage: fault verify-files LEDGER MOUNTPOINT");
	ledger_open(&ledger, argv[1]);
	mountpoint = argv[2];
	for (uint64_t i = 0; i < ledger.n; i++) {
		bad += verify_file(i);
		confirmed += ledger.entries[i].confirmed;
	}
	printf("records %" PRIu64 " lost %" PRIu64 "\n", confirmed, bad);
	return bad != 0 || confirmed == 0;
}
