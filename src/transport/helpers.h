/* SPDX-License-Identifier: MIT */
/*
 * The helper processes of one loop: workers standing ready, helpers at work, and those told to
 * end but not reaped yet. Owns them all. Nothing blocks (a fork takes about a millisecond)
 * but helpers_free() and helpers_end_relays(), which wait for processes to end.
 *
 * Create it in the process that uses it, after going into the background: helpers die with the
 * thread that started them.
 */
#ifndef TRANSPORT_HELPERS_H
#define TRANSPORT_HELPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "endpoint/endpoint.h"
#include "base/process.h"
#include "worker/resolve.h"
#include "worker/sandbox.h"
#include "transport/relays.h"
#include "transport/tls-files.h"

struct helpers;

struct helpers_config {
	size_t spares;		    /* confined workers that are ready before they are needed */
	bool lock_memory;	    /* see struct worker_config */
	const char *worker;	    /* NULL: HELPER_WORKER; tests put a lying one here */
	const char *resolver;	    /* NULL: HELPER_RESOLVER; likewise */
	bool relay;		    /* see struct worker_config */
	bool zygote;		    /* workers start without a file: see worker/zygote.h */
	struct relays *relays;	    /* told of the ends of relays; borrowed; or NULL */
	const struct endpoint *tls; /* get ready for TLS with what this names; borrowed; or NULL */
};

struct helper {
	struct process process;
	uint64_t relay; /* inode of the socket for which it is to become a relay; 0: for none */

	/* Private to helpers.c. */
	struct helpers *owner;
	struct helper *next, **link;
	struct loop_io *io;
	int sock; /* to be closed after its end; -1: none */
	bool ready;
};

/* 0 or -errno with *err (SYSTEM). No process is started yet. */
int helpers_new(struct loop *loop, const struct helpers_config *cfg, struct helpers **ret_helpers,
		struct err *err);
void helpers_free(struct helpers *h); /* accepts NULL; attempts that use it must be gone */

/* From now on: as in struct helpers_config. Spares that exist stay as they are. */
void helpers_set(struct helpers *h, size_t spares, bool lock_memory);

/*
 * Starts spares until there are as many as configured, counting those still getting ready. One that
 * fails later (its sandbox failed, or it was killed) is logged and dropped. 0 or -errno.
 */
int helpers_fill(struct helpers *h, struct err *err);
size_t helpers_spares(const struct helpers *h);	 /* ready or getting ready */
size_t helpers_missing(const struct helpers *h); /* of those configured: taken, or ended */
size_t helpers_ready(const struct helpers *h);	 /* ready: confined and waiting */

/*
 * Returns a worker for one job: a spare one, preferably one that is ready, or a new one. The caller
 * ends it with helper_release(). It may still send WORKER_READY. 0 or -errno.
 */
int helpers_take(struct helpers *h, struct helper **ret_helper, struct err *err);

/* Other kinds of helpers. As helpers_take() and process_start(). */
int helpers_start(struct helpers *h, const struct process_job *job, struct helper **ret_helper,
		  struct err *err);
int helpers_resolve(struct helpers *h, const struct resolve_job *job, struct helper **ret_helper,
		    struct err *err);

/* Ends and forgets it: killed if it still runs, reaped when it has ended. Accepts NULL. */
void helper_release(struct helper *helper);

/*
 * The same, and closes the socket that it shares (-1: none) when it has ended: until then it may
 * change how long that takes (transport/sockopts.h). With a NULL helper, closes it now.
 */
void helper_release_with(struct helper *helper, int sock);

/*
 * It goes on without us, beyond our own end: only reaped when it ends, if we are still there.
 */
void helper_let_go(struct helper *helper);

/*
 * The device is detached, so its relays are no longer needed: they end by themselves. Those that do
 * not end within a few seconds are killed, because a server may have taken them over. Blocks until
 * then. Accepts NULL.
 */
void helpers_end_relays(struct helpers *h);

/* Workers, but for the spares that exist, get ready to go on as relays. */
void helpers_set_relay(struct helpers *h);
bool helpers_relay(const struct helpers *h);

struct relays *helpers_relays(const struct helpers *h); /* of struct helpers_config */

const struct sandbox *helpers_sandbox(const struct helpers *h);

/* Certificates and keys for TLS; NULL if the workers are not ready for it. */
struct tls_files *helpers_tls_files(const struct helpers *h);

#endif
