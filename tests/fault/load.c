/* SPDX-License-Identifier: MIT */
/*
 * The load on a raw device: DEPTH writes and reads at a time, at most one for each block, so that
 * the expected content is always known. Half of them go to a few blocks, which are rewritten often:
 * a write that is wrongly executed a second time then destroys newer data. It also sends scouts:
 * new requests, sent when nothing completes. After an outage the first connection serves them at
 * once, before any request in flight is sent again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/fault.h"
#include "tests/fault/ledger.h"
#include "tests/fault/pattern.h"
#include "tests/fault/record.h"

#define SCOUTS	  40	    /* the first blocks are for scouts */
#define HOT	  64	    /* the next ones are rewritten often */
#define SILENCE	  100000000 /* ns without a completion, after which the first scout is sent */
#define SCOUT_MAX 2000000000
#define DEPTH_MAX 256
#define TICK_NS	  10000000

struct slot {
	struct iocb cb;
	uint8_t *data;
	uint64_t number, submitted;
	enum record_kind kind;
};

static int device;
static struct ledger ledger;
static struct record_log *records;
static struct slot slots[DEPTH_MAX], *idle[DEPTH_MAX];
static unsigned depth = 16, n_idle, percent_writes = 75;
static bool alone; /* no scouts */
static uint64_t blocks, rate, wrong, random_state;
static uint8_t *busy;
static _Atomic bool scouts_home[SCOUTS];

/* xorshift64: good enough for choosing blocks. */
static uint64_t random_number(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static uint8_t *new_block(void)
{
	void *p = NULL;

	if (posix_memalign(&p, PATTERN_BLOCK, PATTERN_BLOCK) != 0)
		fault_die("no memory");
	return p;
}

static void pause_ns(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	nanosleep(&t, NULL);
}

/* Nothing is in flight for this block, so exactly what was confirmed must be there. */
static void compare(const struct slot *s)
{
	uint64_t number = 0, sequence = 0, due = ledger.entries[s->number].confirmed;
	enum pattern p = pattern_read(s->data, &number, &sequence);

	if (p == PATTERN_EMPTY && due == 0)
		return;
	/* A write that failed may have been executed nevertheless. */
	if (p == PATTERN_WHOLE && number == s->number && sequence >= due &&
	    sequence <= ledger.entries[s->number].issued)
		return;
	if (wrong++ < 5)
		printf("wrong: block %" PRIu64 " read: %s, number %" PRIu64 " sequence %" PRIu64
		       ", confirmed %" PRIu64 "\n",
		       s->number,
		       p == PATTERN_EMPTY  ? "empty"
		       : p == PATTERN_TORN ? "torn"
					   : "whole",
		       number, sequence, due);
}

static void *scout(void *arg)
{
	_Atomic bool *home = arg;
	uint64_t number = (uint64_t)(home - scouts_home), start;
	struct ledger_entry *e = &ledger.entries[number];
	uint8_t *data = new_block();
	ssize_t n;

	pattern_fill(data, number, ++e->issued);
	start = fault_now();
	n = pwrite(device, data, PATTERN_BLOCK, (off_t)(number * PATTERN_BLOCK));
	if (n == PATTERN_BLOCK)
		e->confirmed = e->issued;
	record_log_add(records, RECORD_SCOUT, number, start,
		       n == PATTERN_BLOCK ? 0
		       : n < 0		  ? errno
					  : EIO);
	free(data);
	*home = true;
	return NULL;
}

static void send_scout(void)
{
	pthread_t thread;

	for (int i = 0; i < SCOUTS; i++) {
		if (!scouts_home[i])
			continue;
		scouts_home[i] = false;
		if (pthread_create(&thread, NULL, scout, &scouts_home[i]) != 0)
			fault_die("no thread");
		pthread_detach(thread);
		return;
	}
}

static bool all_home(void)
{
	for (int i = 0; i < SCOUTS; i++)
		if (!scouts_home[i])
			return false;
	return true;
}

/* Sends scouts at growing intervals, so that a long outage does not need many. */
static void *send_scouts(void *arg)
{
	uint64_t distance = SILENCE, last = 0, now;

	(void)arg;
	while (!fault_stop) {
		pause_ns(TICK_NS);
		now = fault_now();
		if (now - record_log_latest(records) < SILENCE) {
			distance = SILENCE;
			last = 0;
		} else if (now - last >= distance) {
			if (last)
				distance = distance * 2 < SCOUT_MAX ? distance * 2 : SCOUT_MAX;
			last = now;
			send_scout();
		}
	}
	while (!all_home())
		pause_ns(TICK_NS);
	return NULL;
}

static struct iocb *prepare(struct slot *s)
{
	do {
		s->number = SCOUTS + (random_number(2) ? random_number(HOT)
						       : random_number(blocks - SCOUTS));
	} while (busy[s->number]);
	busy[s->number] = 1;
	s->kind = random_number(100) < percent_writes ? RECORD_WRITE : RECORD_READ;
	if (s->kind == RECORD_WRITE)
		pattern_fill(s->data, s->number, ++ledger.entries[s->number].issued);
	s->cb = (struct iocb){
	    .aio_data = (uintptr_t)s,
	    .aio_lio_opcode = s->kind == RECORD_WRITE ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
	    .aio_fildes = (uint32_t)device,
	    .aio_buf = (uintptr_t)s->data,
	    .aio_nbytes = PATTERN_BLOCK,
	    .aio_offset = (int64_t)(s->number * PATTERN_BLOCK),
	};
	s->submitted = fault_now();
	return &s->cb;
}

static void submit(aio_context_t aio)
{
	struct iocb *cbs[1];

	/* Submits one by one: a submission can block, which would falsify the times of the others.
	 */
	cbs[0] = prepare(idle[--n_idle]);
	if (syscall(SYS_io_submit, aio, 1L, cbs) != 1)
		fault_die("io_submit: %m");
}

static void complete(const struct io_event *event)
{
	struct slot *s = (struct slot *)(uintptr_t)event->data;
	struct ledger_entry *e = &ledger.entries[s->number];
	int error = event->res == PATTERN_BLOCK ? 0 : event->res < 0 ? (int)-event->res : EIO;

	if (!error && s->kind == RECORD_WRITE)
		e->confirmed = e->issued;
	else if (!error)
		compare(s);
	record_log_add(records, s->kind, s->number, s->submitted, error);
	busy[s->number] = 0;
	idle[n_idle++] = s;
	if (error)
		pause_ns(TICK_NS); /* limits the rate on a device that fails everything */
}

/* True while the rate allows another request. */
static bool due(uint64_t start, uint64_t sent)
{
	return !rate || (fault_now() - start) / 1000 * rate / 1000000 >= sent;
}

static void run(void)
{
	uint64_t start = fault_now(), sent = 0;
	struct io_event events[32];
	aio_context_t aio = 0;
	struct timespec tick;
	long n;

	if (syscall(SYS_io_setup, depth, &aio) < 0)
		fault_die("io_setup: %m");
	while (!fault_stop || n_idle < depth) {
		while (!fault_stop && n_idle && due(start, sent)) {
			submit(aio);
			sent++;
		}
		tick = (struct timespec){.tv_nsec = rate ? 1000000 : 10 * TICK_NS};
		n = syscall(SYS_io_getevents, aio, 1L, 32L, events, &tick);
		if (n < 0 && errno != EINTR)
			fault_die("io_getevents: %m");
		for (long i = 0; i < n; i++)
			complete(&events[i]);
	}
}

static void start_log(const char *directory)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/ledger", directory);
	/* The data of an earlier load is still on the device. */
	if (access(path, F_OK) == 0)
		ledger_open(&ledger, path);
	else
		ledger_create(&ledger, path, blocks);
	if (ledger.n != blocks)
		fault_die("%s is of a device of another size", path);
	snprintf(path, sizeof(path), "%s/log", directory);
	records = record_log_new(path);
}

int fault_load(int argc, char **argv)
{
	pthread_t scouts;
	uint64_t size, limit = 0, failed;
	int c;

	while ((c = getopt(argc, argv, "q:r:b:w:a")) != -1) {
		if (c == 'q')
			depth = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'r')
			rate = strtoul(optarg, NULL, 10);
		else if (c == 'b')
			limit = strtoul(optarg, NULL, 10);
		else if (c == 'w')
			percent_writes = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'a')
			alone = true;
		else
			return 2;
	}
	if (argc - optind != 2 || depth < 1 || depth > DEPTH_MAX)
		fault_die("usage: fault load [-q DEPTH] [-r RATE] [-b BLOCKS] [-w PERCENT] [-a] "
			  "DEVICE DIR");
	device = fault_open(argv[optind], O_RDWR | O_DIRECT, &size);
	blocks = limit && limit < size / PATTERN_BLOCK ? limit : size / PATTERN_BLOCK;
	if (blocks < SCOUTS + HOT + 2 * DEPTH_MAX)
		fault_die("%s is too small", argv[optind]);
	busy = calloc(blocks, 1);
	random_state = fault_now() | 1;
	start_log(argv[optind + 1]);
	for (unsigned i = 0; i < depth; i++) {
		slots[i].data = new_block();
		idle[n_idle++] = &slots[i];
	}
	for (int i = 0; i < SCOUTS; i++)
		scouts_home[i] = true;
	fault_catch();
	if (!alone)
		pthread_create(&scouts, NULL, send_scouts, NULL);
	run();
	if (!alone)
		pthread_join(scouts, NULL);
	failed = record_log_finish(records);
	printf("wrong %" PRIu64 "\n", wrong);
	return failed || wrong;
}
