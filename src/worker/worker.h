/* SPDX-License-Identifier: MIT */
/*
 * The process that talks to a server. It is confined first (sandbox.h), then gets one connected
 * socket over SCM_RIGHTS (and for TLS the sealed memory with the keys, see tls-files.h), it shakes
 * hands in straight-line blocking code, closes the socket, answers with values only, and exits. No
 * descriptor ever travels back: the parent kept its own of the socket it connected, and uses it
 * after this process has ended.
 *
 * Messages are structs, as both sides are the same program; those from the worker are checked
 * by worker_answer_check() before a field is believed, because a server may own the worker.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/ids.h"
#include "nbd/export.h"
#include "nbd/nego.h"
#include "base/process.h"
#include "worker/sandbox.h"
#include "worker/tls/values.h"

struct worker_job {
	uint32_t goal; /* enum nego_goal */
	uint32_t timeout_ms;
	char name[NBD_STRING_MAX + 1];
	struct tls_job tls;
	bool relay; /* goal GO: go on as the connection's relay (relay.h) */
	uint32_t peer_timeout_ms;
	uint32_t sample; /* goal GO: size in bytes of the sample to read from the export; 0: none;
			    IDS_SAMPLE: the identifiers on it */
	uint64_t sample_size; /* the size that decides which; 0: the export's */
};

enum worker_answer_type {
	WORKER_READY = 1, /* confined, waiting for its job */
	WORKER_LISTED,	  /* one export, in export.name and export.description; more follows */
	WORKER_DONE,	  /* export, unless the goal was LIST */
	WORKER_FAILED,	  /* ret, err */
};

struct worker_answer {
	uint32_t type;
	int32_t ret; /* -errno with FAILED, else 0 */
	struct err err;
	struct nbd_export export;
	struct tls_facts tls; /* with DONE of a job with TLS, else empty */
	uint32_t sampled;     /* with DONE: this is the sample's: */
	struct digest digest;
	struct ids ids; /* of IDS_SAMPLE */
};

/* What a worker is started with. */
struct worker_config {
	struct sandbox sandbox;
	bool lock_memory; /* mlock(2) all of it: for swap or root on the device itself */
	bool tls;	  /* get ready for TLS, too */
	bool relay;	  /* and for a long life: see relay.h */
};

process_fn worker_run; /* its setup is a struct worker_config */

/*
 * The same in two steps, for the zygote (zygote.h): all that needs a file, in the zygote; and the
 * rest, in a copy of it, with the sandbox that is left to be entered.
 */
int worker_prepare(const struct worker_config *cfg, struct err *err);
void worker_go_on(int fd, pid_t parent, const struct worker_config *cfg) __attribute__((noreturn));

/* What goes along with a job, all borrowed. */
struct worker_fds {
	int sock;
	int keys;   /* with TLS */
	int kernel; /* with relay: the relay's end of a socket pair */
};

/* Sends the job over fd. Does not block. 0 or -errno. */
int worker_send_job(int fd, const struct worker_job *job, const struct worker_fds *fds);

/*
 * Receives one message of `size` bytes exactly from a helper's fd, without any descriptor a
 * helper might add. Returns 1, 0 at the end, -EAGAIN if there is none yet, -EPROTO if its length
 * is another, or -errno. Does not block.
 */
int worker_receive(int fd, void *buf, size_t size);

/*
 * Makes an answer safe to use, or refuses it: known type, one that fits the goal, everything in
 * range, strings terminated, UTF-8, messages printable (they are escaped here). 0, or -EPROTO
 * with *err (PERMANENT).
 */
int worker_answer_check(struct worker_answer *a, enum nego_goal goal, struct err *err);

/* What the parent knows about a worker that sends it an answer. */
struct worker_expected {
	bool ready;   /* it has said so already, and has a job */
	bool tls;     /* the job is one with TLS ... */
	bool offload; /* ... for the kernel */
	bool relay;   /* the job is to become a relay */
};

/*
 * Beside worker_answer_check(): an answer that a worker may give in this phase, with a failure that
 * its job can have. What a failure's number makes the parent do (another TLS version, a relay) is
 * not for every worker to say; a number of no meaning becomes EIO, and a kind that blames the user
 * or this system, which nothing in the job can be the reason for, becomes PERMANENT. 0, or -EPROTO
 * with *err (PERMANENT).
 */
int worker_answer_fits(struct worker_answer *a, const struct worker_expected *x, struct err *err);

/*
 * Fills the error for a helper that ended without a (complete) answer. Returns -errno. `what` names
 * it.
 */
int worker_ended_err(const struct process_end *end, const char *what, struct err *err);

#endif
