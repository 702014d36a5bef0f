/* SPDX-License-Identifier: MIT */
/*
 * The new supervisor's side of messages.h: asks the one in charge for its device. It runs before
 * the loop, and blocks until the answer, for a bounded time. Owns the connection, and what came
 * with the offer until that is committed.
 */
#ifndef SUPERVISE_SUCCESSION_TAKING_H
#define SUPERVISE_SUCCESSION_TAKING_H

#include "base/err.h"
#include "runtime/given.h"
#include "supervise/succession/messages.h"

#define TAKING_LIMIT_MS 10000 /* ms: the longest wait for a message of the one in charge */

struct taking {
	int fd;	   /* the connection; -1: none */
	int pidfd; /* of the one in charge; -1: the kernel gives none */
	struct offer offer;
	struct given given;   /* the descriptors, by their names */
	bool by_commit_alone; /* do not take over if the one in charge ends before its commit */
};

#define TAKING_NONE ((struct taking){.fd = -1, .pidfd = -1})

/*
 * Sends the request. 0 with the offer; -ENOENT: no supervisor is in charge of that device, or it
 * never hands a device over; other -errno with *err: the one in charge keeps the device, and gives
 * the reason. The error's kind is RETRY if a later moment may suit it.
 */
int taking_ask(struct taking *t, int index, struct err *err);

/*
 * Everything is ready: requests the commit. 0: the device is ours, and the other one does nothing
 * more. -errno with *err: it is not ours; the contents of the offer must be dropped.
 */
int taking_commit(struct taking *t, struct err *err);

/* Closes the connection, and the descriptors that are left. */
void taking_done(struct taking *t);

#endif
