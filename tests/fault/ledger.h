/* SPDX-License-Identifier: MIT */
/*
 * The written and the confirmed sequence number of each block or file. It is a mapped file, so that
 * it outlives the load, which may hang. Writers of one entry must not overlap.
 */
#ifndef FAULT_LEDGER_H
#define FAULT_LEDGER_H

#include <stdint.h>

struct ledger_entry {
	_Atomic uint64_t issued;    /* the latest sequence number that was sent; 0: none */
	_Atomic uint64_t confirmed; /* the latest that was acknowledged; 0: none */
};

struct ledger {
	uint64_t n;
	struct ledger_entry *entries;
};

/* Both end the program with a message if they cannot. */
void ledger_create(struct ledger *l, const char *path, uint64_t n);
void ledger_open(struct ledger *l, const char *path);

#endif
