/* SPDX-License-Identifier: MIT */
/*
 * Self-describing blocks: every word depends on the block's number and on the sequence
 * number of the write, so that a lost, stale, torn or misplaced write can be told from a good one.
 */
#ifndef FAULT_PATTERN_H
#define FAULT_PATTERN_H

#include <stdint.h>

#define PATTERN_BLOCK 4096

enum pattern {
	PATTERN_EMPTY, /* all zeroes: never written */
	PATTERN_WHOLE, /* one write, complete */
	PATTERN_TORN,  /* anything else */
};

void pattern_fill(void *block, uint64_t number, uint64_t sequence);

/* Sets the numbers only for PATTERN_WHOLE. */
enum pattern pattern_read(const void *block, uint64_t *ret_number, uint64_t *ret_sequence);

#endif
