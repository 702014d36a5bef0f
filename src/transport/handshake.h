/* SPDX-License-Identifier: MIT */
/*
 * One worker's job as an object on the loop: the socket and the job go in, its answers are checked,
 * and the end is reported only when the process has ended, so that its copy of the socket is
 * closed; with a relay, which goes on, when that has said so. Never blocks. There is no time limit:
 * the caller frees it.
 */
#ifndef TRANSPORT_HANDSHAKE_H
#define TRANSPORT_HANDSHAKE_H

#include "base/digest.h"
#include "base/err.h"
#include "base/loop.h"
#include "nbd/export.h"
#include "nbd/nego.h"
#include "transport/helpers.h"
#include "worker/worker.h"

struct handshake;

/* All borrowed. */
struct handshake_told {
	const struct nbd_export *export; /* goals GO and INFO; NULL with LIST */
	const struct tls_facts *tls;	 /* how that was protected */
	const struct digest *digest;	 /* of the sample; NULL: none was read */
	const struct ids *ids;		 /* likewise */
};

/*
 * Called once, from the loop. ret 0 with *told, or -errno: *err says why, and told is NULL. It may
 * free the handshake.
 */
typedef void handshake_done_fn(int ret, const struct handshake_told *told, const struct err *err,
			       void *arg);
/* With goal LIST, for each export. It must not free the handshake. */
typedef void handshake_listed_fn(const char *name, const char *description, void *arg);

struct handshake_config {
	const struct worker_job *job; /* borrowed during handshake_new() */
	struct worker_fds fds;	      /* likewise; fds.sock not to be touched until the end */
	handshake_done_fn *done;
	handshake_listed_fn *listed; /* or NULL */
	void *arg;
};

/* Takes over the worker, also when it fails. 0 or -errno with *err (FAILED). */
int handshake_new(struct loop *loop, struct helper *worker, const struct handshake_config *cfg,
		  struct handshake **ret_handshake, struct err *err);
/*
 * Kills the worker if it still runs, and closes the socket (-1: none) as helper_release_with()
 * does. Accepts NULL, which only closes.
 */
void handshake_free(struct handshake *h, int sock);

#endif
