/* SPDX-License-Identifier: MIT */
/* A release; only for the files of release.h. */
#ifndef SUPERVISE_DETACH_RELEASE_PRIVATE_H
#define SUPERVISE_DETACH_RELEASE_PRIVATE_H

#include <stdatomic.h>

#include "kernel/claim.h"
#include "kernel/usage.h"
#include "supervise/detach/release.h"

#define RELEASE_TICK_MS 100

enum step {
	STEP_LOOK,	 /* the helper thread looks for users of the device */
	STEP_PASSING,	 /* waits for udev to close the device, and then looks again */
	STEP_FLUSH,	 /* the claim's process opens the device exclusively and calls fsync */
	STEP_SETTLE,	 /* lost: a process waits until nothing written is left in the kernel */
	STEP_LOOK_AGAIN, /* the helper thread looks for other users */
	STEP_DISCONNECT, /* on the helper thread */
	STEP_FREE,	 /* waits until the kernel has freed it */
	STEP_NAME,	 /* on the helper thread: looks for the last user */
	STEP_FORGET,	 /* on the helper thread: the kernel forgets its partitions */
};

/*
 * The decision to disconnect is made once: by the helper thread when the kernel has shown that it
 * accepts commands, or by the loop when it has waited long enough, whichever is first.
 */
enum decision {
	DECISION_OPEN,
	DECISION_DISCONNECT, /* the disconnect happens, however long the kernel takes */
	DECISION_KEEP,	     /* the disconnect does not happen */
};

struct release {
	struct release_config cfg;
	struct loop *loop;
	release_fn *fn;
	void *arg;
	enum step step;
	struct loop_timer *tick;

	bool busy;	     /* a job of this release waits or runs on the helper thread */
	bool over;	     /* the owner freed it while busy: the end of the job frees it */
	atomic_int decision; /* enum decision */
	bool late;	     /* the owner was told that the kernel is still busy */
	int look_ret;	     /* of the helper thread */
	struct usage usage;
	uint64_t patience_end; /* until then it waits for users that soon close the device */
	offload_fn *looked;    /* of the look that STEP_PASSING repeats */
	unsigned claims;       /* claims that were tried */
	bool gone;	       /* of the helper thread: another program has ended the attachment */
	bool dead;	       /* for the helper thread: no connection is alive */
	int detach_ret;
	struct err err;
	struct err forget_err; /* of the helper thread: "" if no partition is left */

	struct claim claim;
	struct loop_io *claim_io;
	uint64_t completed; /* requests, at the last look */
	uint64_t since;	    /* when `completed` last changed, or the step began */
};

/* release-step.c */
void release_enter(struct release *r, enum step step);
void release_finish(struct release *r, int ret);
void release_destroy(struct release *r);
/* Starts a job on the helper thread. */
void release_run(struct release *r, offload_fn *work, offload_fn *done);
/* Makes the decision, unless it was made before. True if it is this one. */
bool release_decide(struct release *r, enum decision wanted);
/* The job has ended. Returns false if the release was over, and frees r then. */
bool release_job_done(struct release *r);
bool release_lost(const struct release *r); /* no connection is alive */

/* release-look.c: the job of the helper thread that looks for users, and its end. */
void release_look_work(void *arg);
void release_looked(void *arg);
/* Used instead if the caller has checked for users and has flushed the device. */
void release_look_at_prepared(struct release *r);
void release_tick_passing(struct release *r);
void release_tick_flush(struct release *r);
void release_tick_settle(struct release *r);

/* release-disconnect.c */
void release_disconnect(struct release *r);
/* Checks whether the job of the helper thread takes too long. */
void release_tick_busy(struct release *r);
void release_tick_free(struct release *r);
void release_tick_name(struct release *r);
void release_tick_forget(struct release *r);

#endif
