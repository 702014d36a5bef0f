/* SPDX-License-Identifier: MIT */
/*
 * --on-change: runs the user's command for each change of state, for alerts and metrics, and
 * describes the change in its environment. One command runs at a time; changes that come meanwhile
 * follow in order; if there are too many, the oldest are dropped. While no process can be started,
 * the changes wait for one. Never blocks.
 */
#ifndef SUPERVISE_REPORT_ANNOUNCE_H
#define SUPERVISE_REPORT_ANNOUNCE_H

#include <stdint.h>

#include "base/loop.h"

struct announce;

struct announce_change {
	int index;
	const char *from, *to; /* names of states; literals */
	const char *address;   /* the server's; copied */
	const char *reason;    /* "" or a sentence; copied */
	const char *name;      /* of the device, or ""; borrowed */
	uint64_t outage_ms;    /* how long the present outage has lasted; 0: there is none */
};

/* command: for /bin/sh -c; borrowed. NULL: no memory. */
struct announce *announce_new(struct loop *loop, const char *command);
/* Accepts NULL. A command that still runs is not ended. */
void announce_free(struct announce *a);

void announce_change(struct announce *a, const struct announce_change *change);

/* Ends the supervisor's last change: waits until the commands have run, limit_ms at most. */
void announce_flush(struct announce *a, unsigned limit_ms);

#endif
