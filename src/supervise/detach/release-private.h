/* SPDX-License-Identifier: MIT */
/* A release, to the files of release.h alone. */
#ifndef SUPERVISE_DETACH_RELEASE_PRIVATE_H
#define SUPERVISE_DETACH_RELEASE_PRIVATE_H

#include <stdatomic.h>

#include "kernel/claim.h"
#include "kernel/usage.h"
#include "supervise/detach/release.h"

#define RELEASE_TICK_MS 100

enum step {
	STEP_LOOK,	 /* the helper thread looks for users of the device */
	STEP_FLUSH,	 /* in the claim's process: open exclusively, fsync */
	STEP_LOOK_AGAIN, /* on the helper thread: who else uses it */
	STEP_DISCONNECT, /* on the helper thread */
	STEP_FREE,	 /* waiting until the kernel lets go of it */
	STEP_FORGET,	 /* on the helper thread: its partitions go, too */
};

/*
 * Whether the device is disconnected is decided once: by the helper thread when the kernel has
 * shown that it takes commands, or by the loop when it has waited long enough, if that is earlier.
 */
enum decision {
	DECISION_OPEN,
	DECISION_DISCONNECT, /* from now on it happens, however long the kernel takes */
	DECISION_KEEP,	     /* it does not happen any more */
};

struct release {
	struct release_config cfg;
	struct loop *loop;
	release_fn *fn;
	void *arg;
	enum step step;
	struct loop_timer *tick;

	bool busy;	     /* the helper thread has a job of ours, waiting or under way */
	bool over;	     /* freed by its owner while busy: the job frees the rest */
	atomic_int decision; /* enum decision */
	bool late;	     /* the owner was told that the kernel is still at it */
	int look_ret;	     /* of the helper thread */
	struct usage usage;
	bool gone; /* of the helper thread: the attachment has ended without us */
	bool dead; /* for the helper thread: no connection is alive */
	int detach_ret;
	struct err err;
	struct err forget_err; /* of the helper thread: "" if no partition is left */

	struct claim claim;
	struct loop_io *claim_io;
	uint64_t completed; /* requests, at the last look */
	uint64_t since;	    /* when it last changed, or the step began */
};

/* release-step.c */
void release_enter(struct release *r, enum step step);
void release_finish(struct release *r, int ret);
void release_destroy(struct release *r);
/* Gives the helper thread a job of ours. */
void release_run(struct release *r, offload_fn *work, offload_fn *done);
/* True if that is the decision, made now or before. */
bool release_decide(struct release *r, enum decision wanted);
/* False: nobody waits for the job any more, and r is gone. */
bool release_job_done(struct release *r);
bool release_lost(const struct release *r); /* no connection is alive */

/* release-look.c: the job of the helper thread that looks who uses the device, and its end. */
void release_look_work(void *arg);
void release_looked(void *arg);
/* Used instead for a caller that has checked for users and has flushed the device. */
void release_look_at_prepared(struct release *r);
void release_tick_flush(struct release *r);

/* release-disconnect.c */
void release_disconnect(struct release *r);
/* The helper thread works: is it still to be waited for? */
void release_tick_busy(struct release *r);
void release_tick_free(struct release *r);
void release_tick_forget(struct release *r);

#endif
