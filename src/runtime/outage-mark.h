/* SPDX-License-Identifier: MIT */
/*
 * /run/nbd-attach/nbdN.outage: what the next supervisor must know of an outage and does not find in
 * the state file: that file is not written in an outage (--swap), and has no monotonic times.
 * Making a file takes memory; this one was made before, and its page is mapped and locked, so that
 * setting it takes none. state_read() looks at it.
 */
#ifndef RUNTIME_OUTAGE_MARK_H
#define RUNTIME_OUTAGE_MARK_H

#include <stdbool.h>
#include <stdint.h>

struct outage {
	uint64_t attachment; /* sysfs_attachment() */
	bool now;	     /* no connection is alive */
	uint64_t since_ms; /* when it began, on the monotonic clock; 0: not known. Only if `now` */
	bool held;	   /* I/O waits without a time limit. Only if `now` */
	bool unsettled;	   /* as in struct state; if `now` */
	bool unproved;
	bool moved; /* with --failover: the state file does not say which server is in use */
};

struct outage_mark;

/* Makes the file, and maps it. NULL: errno. */
struct outage_mark *outage_mark_new(int index);
/* Does not remove the file. */
void outage_mark_free(struct outage_mark *m);
void outage_mark_set(struct outage_mark *m, const struct outage *outage);

/* False: there is none. */
bool outage_mark_read(int index, struct outage *ret_outage);
void outage_mark_remove(int index);

#endif
