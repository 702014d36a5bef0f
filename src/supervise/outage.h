/* SPDX-License-Identifier: MIT */
/*
 * Outages: times in which every connection of the device is dead. When they began, how many there
 * were, and how long I/O waits. Pure: the time is passed in. Times are monotonic milliseconds; 0 is
 * no time.
 */
#ifndef SUPERVISE_OUTAGE_H
#define SUPERVISE_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/grace.h"
#include "runtime/state.h"

#define OUTAGE_FOREVER UINT64_MAX

struct outage {
	uint64_t dead_timeout_s; /* seconds until I/O fails; OUTAGE_FOREVER */
	uint64_t since;		 /* 0: there is none */
	uint64_t recovered;	 /* when the last one ended */
	uint64_t last_ms, total_ms;
	uint64_t slept_ms; /* total time of the machine's sleeps, which count as outages */
	unsigned count;
	unsigned flaps;	      /* outages in a row that began shortly after a recovery */
	uint32_t grace;	      /* seconds; GRACE_NONE unless the machine shuts down */
	uint64_t grace_since; /* when the shutdown began */
	/* Since when, of an outage that outage_begin() will continue; 0: none. */
	uint64_t inherited;
	uint64_t spared; /* the dead timeout does not end the present outage before this time */
	uint32_t patience_ms; /* of the inherited one */
	bool inherited_held;
	bool held; /* I/O waits for the user: the dead timeout does not count in this outage */
	char cause[128];
};

void outage_init(struct outage *o, uint64_t dead_timeout_s);

/*
 * The outage began at `since`, under an earlier supervisor. The next outage_begin() continues it,
 * and its dead timeout counts from `since`. I/O does not fail until patience_ms after that call (or
 * the dead timeout, if it is shorter), because the server may not have been tried since `since`.
 */
void outage_inherit(struct outage *o, uint64_t since, bool held, uint32_t patience_ms);

/* The last connection is dead; `cause` is a clause. False: the outage has begun before. */
bool outage_begin(struct outage *o, uint64_t now, const char *cause);

/* A connection is alive again. False: there was no outage. */
bool outage_end(struct outage *o, uint64_t now);

/* The machine slept for that time. */
void outage_slept(struct outage *o, uint64_t ms);

/* The machine shuts down, or GRACE_NONE: the shutdown is cancelled. True if the value is new. */
bool outage_set_grace(struct outage *o, uint64_t now, uint32_t seconds);

/* The server that answers has another disk: only the user can end the outage. */
void outage_hold(struct outage *o);

/* When I/O begins to fail in the present outage; UINT64_MAX: never. */
uint64_t outage_fails_at(const struct outage *o);

/* The same in seconds since 1970, if `wall_ms` is the moment `now`; 0: never, or there is none. */
int64_t outage_fails_on(const struct outage *o, uint64_t now, int64_t wall_ms);

/* True if the connection is lost repeatedly: short outages are no longer worth a warning. */
bool outage_is_usual(const struct outage *o);
/* True if this is the first outage of that kind. */
bool outage_becomes_usual(const struct outage *o);

/* How long the present outage has lasted; 0: there is none. */
uint64_t outage_lasts(const struct outage *o, uint64_t now);

/* Fills what the status says of outages; `wall` is the same moment in seconds since 1970. */
void outage_report(const struct outage *o, uint64_t now, int64_t wall, struct state *ret_state);

#endif
