/* SPDX-License-Identifier: MIT */
/*
 * Uses more memory than it may have, so that most of it is swapped out. Each round checks that
 * every page holds what the last round wrote, and rewrites it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/fault/fault.h"
#include "tests/fault/pattern.h"

static uint64_t look(const void *page, uint64_t number, uint64_t round)
{
	uint64_t found = 0, sequence = 0;
	enum pattern p = pattern_read(page, &found, &sequence);

	if (round == 1)
		return p != PATTERN_EMPTY;
	return p != PATTERN_WHOLE || found != number || sequence != round - 1;
}

int fault_hog(int argc, char **argv)
{
	uint64_t pages, wrong = 0, round = 0;
	uint8_t *memory;

	if (argc != 2)
		fault_die("usage: fault hog MIB");
	pages = strtoull(argv[1], NULL, 10) << 20;
	memory = mmap(NULL, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		fault_die("mmap: %m");
	pages /= PATTERN_BLOCK;
	fault_catch();
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (!fault_stop) {
		round++;
		for (uint64_t i = 0; i < pages && !fault_stop; i++) {
			wrong += look(memory + i * PATTERN_BLOCK, i, round);
			pattern_fill(memory + i * PATTERN_BLOCK, i, round);
		}
		printf("rounds %" PRIu64 " wrong %" PRIu64 "\n", round, wrong);
	}
	return wrong != 0;
}
