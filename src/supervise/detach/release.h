/* SPDX-License-Identifier: MIT */
/*
 * Detaches safely: looks for users of the device, claims it exclusively and flushes it (in a child
 * process, because open and flush can block forever), looks again (the claim prevents mounts, but
 * not a process that simply opens the device), disconnects (on the helper thread), and waits until
 * it is really free. A look is left out where the number of references to the driver proves that
 * the device has no user (kernel/openers.h). Never blocks the loop; every step has a bound.
 *
 * udev opens the device after each change of it, and after each program that has written to it. Its
 * processes are waited for, at most RELEASE_PATIENCE_MS, unless requests wait for a lost server:
 * then udev waits as well.
 *
 * A flush may take as long as it makes progress: the bound counts from the last completed
 * request.
 */
#ifndef SUPERVISE_DETACH_RELEASE_H
#define SUPERVISE_DETACH_RELEASE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/offload.h"
#include "kernel/kernel.h"
#include "kernel/usage.h"
#include "supervise/watch/links.h"

struct release;

#define RELEASE_PATIENCE_MS 10000

struct release_config {
	int index;
	const char *identifier;	 /* borrowed; NULL: not known */
	int mark;		 /* sysfs_mark() of the attachment, borrowed; -1: none */
	struct kernel *kernel;	 /* borrowed; NULL with `disconnect` */
	struct offload *offload; /* borrowed; idle */
	struct links *links;	 /* borrowed; NULL: not known (no supervisor) */
	uint32_t resent_ms;	 /* see timeouts_resent(); 0: not known */
	bool read_only;		 /* nothing to flush, and the claim opens for reading */
	bool force;		 /* used or not, flushed or not */
	bool cautious;		 /* refuse also when in doubt (SIGTERM) */
	bool prepared;		 /* the caller has checked for users, and has flushed the device */
	bool lost;		 /* without `links`: no connection is alive */
	bool clean; /* no written data needs a flush, if the device is lost or has no node */
	/*
	 * If the kernel refuses the disconnect, requests wait again, with these timeouts (seconds).
	 */
	bool waits;
	uint64_t timeout, dead_timeout;
	/*
	 * Replaces the kernel's disconnect for a caller that is not the supervisor; called on the
	 * helper thread. NULL: `kernel` is used.
	 */
	int (*disconnect)(void *arg, struct err *err);
	/*
	 * Called on the helper thread just before the disconnect. -errno with *err: the device
	 * stays attached. NULL: nothing needs to be locked.
	 */
	int (*lock)(void *arg, struct err *err);
	void *arg; /* of both */
	/* Replaces usage_find(), in the same way. */
	int (*look)(int index, pid_t skip, struct usage *ret_usage);
};

/*
 * Called on the loop when it is over: 0 (detached and free; err->message is a remark or ""), or
 * -errno, and the device stays attached: BUSY (in use: the sentence names by whom), RETRY (the
 * server does not confirm the flush), others. It may free r.
 *
 * If the kernel's disconnect takes very long, one call with -EINPROGRESS comes first, so that the
 * caller can answer its user. The kernel detaches the device later.
 */
typedef void release_fn(int ret, const struct err *err, void *arg);

/* Starts at once. NULL: no memory. */
struct release *release_new(struct loop *loop, const struct release_config *cfg, release_fn *fn,
			    void *arg);
void release_free(struct release *r); /* accepts NULL */

/*
 * True if it has told the kernel to fail waiting requests: its timeouts may differ from the
 * supervisor's.
 */
bool release_failed_io(const struct release *r);

#endif
