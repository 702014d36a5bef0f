/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: lets the device go, with care (see release.h), or says why it stays.
 * Owns the release that is under way.
 */
#ifndef SUPERVISE_DETACH_DETACH_H
#define SUPERVISE_DETACH_DETACH_H

#include <stdbool.h>

#include "base/err.h"
#include "supervise/part.h"
#include "supervise/watch/links.h"

struct detach;

struct detach_wish {
	bool force;    /* used or not, flushed or not */
	bool cautious; /* it stays also when in doubt */
	bool prepared; /* the caller has checked for users, and has flushed the device */
	bool clean;    /* nothing was written that only a flush makes safe */
};

/* Called from the loop, or from detach_start(). None of them may free the part. */
struct detach_events {
	/* It is detached, and free; err->message is a remark or "". */
	void (*released)(const struct err *err, void *arg);
	/*
	 * It stays attached. `fails_io`: the kernel was made to fail what waits, and has timeouts
	 * that are not those of the configuration.
	 */
	void (*kept)(const struct err *err, bool fails_io, void *arg);
	/* The kernel takes long; the device goes as soon as it gets on. Said once. */
	void (*late)(const struct err *err, void *arg);
};

/* NULL: no memory. env, what it points to, and the links are borrowed. */
struct detach *detach_new(const struct part_env *env, struct links *links,
			  const struct detach_events *events, void *arg);
void detach_free(struct detach *d); /* accepts NULL; a job of the helper thread goes on */

/* No release is under way. */
void detach_start(struct detach *d, const struct detach_wish *wish);

#endif
