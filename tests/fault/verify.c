/* SPDX-License-Identifier: MIT */
/*
 * Compares every block of a device or of the server's image with the ledger: it must hold the
 * confirmed write or a later one. Older data means that a write was lost or later overwritten by an
 * old one.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fault/fault.h"
#include "tests/fault/ledger.h"
#include "tests/fault/pattern.h"

#define CHUNK 64 /* blocks */

enum verdict { GOOD, LOST, STALE, TORN, FOREIGN, VERDICTS };

static const char *const names[VERDICTS] = {"good", "lost", "stale", "torn", "foreign"};

static enum verdict judge(const struct ledger_entry *e, uint64_t number, const void *block,
			  uint64_t *ret_sequence)
{
	uint64_t found = 0, sequence = 0;

	*ret_sequence = 0;
	switch (pattern_read(block, &found, &sequence)) {
	case PATTERN_EMPTY:
		return e->confirmed ? LOST : GOOD;
	case PATTERN_TORN:
		return TORN;
	case PATTERN_WHOLE:
		break;
	}
	*ret_sequence = sequence;
	if (found != number || sequence > e->issued)
		return FOREIGN; /* of another block or another run */
	return sequence < e->confirmed ? STALE : GOOD;
}

/* Reads in pieces, with O_DIRECT if the file system has it (tmpfs does not, and needs none). */
static int open_direct(const char *path, uint64_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return fault_open(path, O_RDONLY, ret_size);
	close(fd);
	return fault_open(path, O_RDONLY | O_DIRECT, ret_size);
}

static void read_all(int fd, uint8_t *data, size_t len, uint64_t offset)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, data + done, len - done, (off_t)(offset + done));

		if (n <= 0)
			fault_die("reading at %" PRIu64 ": %m", offset + done);
		done += (size_t)n;
	}
}

int fault_verify(int argc, char **argv)
{
	uint64_t count[VERDICTS] = {0}, size, confirmed = 0, sequence;
	struct ledger ledger;
	void *data = NULL;
	int fd;

	if (argc != 3 || posix_memalign(&data, PATTERN_BLOCK, CHUNK * PATTERN_BLOCK) != 0)
		fault_die("usage: fault verify LEDGER FILE");
	ledger_open(&ledger, argv[1]);
	fd = open_direct(argv[2], &size);
	if (size / PATTERN_BLOCK < ledger.n)
		fault_die("%s is smaller than the ledger", argv[2]);
	for (uint64_t b = 0; b < ledger.n; b += CHUNK) {
		uint64_t n = ledger.n - b < CHUNK ? ledger.n - b : CHUNK;

		read_all(fd, data, n * PATTERN_BLOCK, b * PATTERN_BLOCK);
		for (uint64_t i = b; i < b + n; i++) {
			const struct ledger_entry *e = &ledger.entries[i];
			enum verdict v =
			    judge(e, i, (uint8_t *)data + (i - b) * PATTERN_BLOCK, &sequence);

			confirmed += e->confirmed > 0;
			if (v != GOOD && count[v] < 5)
				printf("block %" PRIu64 " is %s: sequence %" PRIu64
				       ", confirmed %" PRIu64 ", issued %" PRIu64 "\n",
				       i, names[v], sequence, (uint64_t)e->confirmed,
				       (uint64_t)e->issued);
			count[v]++;
		}
	}
	printf("blocks %" PRIu64 " written %" PRIu64, ledger.n, confirmed);
	for (int v = LOST; v < VERDICTS; v++)
		printf(" %s %" PRIu64, names[v], count[v]);
	printf("\n");
	/* Without a confirmed write, nothing is verified: an error, too. */
	return confirmed == 0 || count[GOOD] != ledger.n;
}
