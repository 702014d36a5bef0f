/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: detaches the device safely (see release.h), or says why it stays
 * attached. Owns the release that is under way.
 */
#ifndef SUPERVISE_DETACH_DETACH_H
#define SUPERVISE_DETACH_DETACH_H

#include <stdbool.h>

#include "base/err.h"
#include "supervise/part.h"
#include "supervise/watch/links.h"

struct detach;

struct detach_wish {
	bool force;    /* even if it is in use or cannot be flushed */
	bool cautious; /* in doubt, the device stays attached */
	bool prepared; /* the caller has checked for users, and has flushed the device */
	bool clean;    /* no written data needs a flush */
	/*
	 * I/O waits for a lost server, and must wait again if the device stays attached. Then these
	 * are the kernel's timeouts, in seconds.
	 */
	bool waits;
	uint64_t timeout, dead_timeout;
};

/* Called from the loop, or from detach_start(). None of them may free the part. */
struct detach_events {
	/* The device is detached and free; err->message is a remark or "". */
	void (*released)(const struct err *err, void *arg);
	/*
	 * The device stays attached. `failed_io`: the kernel was told to fail waiting requests, so
	 * its timeouts may differ from the configuration, also if I/O waits again.
	 */
	void (*kept)(const struct err *err, bool failed_io, void *arg);
	/* The kernel is slow; the device will be detached as soon as it goes on. Called once. */
	void (*late)(const struct err *err, void *arg);
};

/* NULL: no memory. env, what it points to, and the links are borrowed. */
struct detach *detach_new(const struct part_env *env, struct links *links,
			  const struct detach_events *events, void *arg);
void detach_free(struct detach *d); /* accepts NULL; a job of the helper thread goes on */

/* No release is under way. */
void detach_start(struct detach *d, const struct detach_wish *wish);

#endif
