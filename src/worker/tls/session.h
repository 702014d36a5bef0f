/* SPDX-License-Identifier: MIT */
/*
 * The client's side of TLS on a connected socket, as straight-line code that blocks in the
 * caller's `wait`: for the worker, within its sandbox. Everything it needs beside the socket comes
 * in as values, or as the sealed memory of tls-files.h.
 *
 * It never reads past the TLS record it works on, so that what follows stays in the socket for the
 * kernel (tls_offload()), as the negotiator does with messages.
 */
#ifndef WORKER_TLS_SESSION_H
#define WORKER_TLS_SESSION_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "worker/tls/lib.h"
#include "worker/tls/values.h"

/* How bytes get to the server and back. */
struct tls_wire {
	int sock; /* borrowed */
	/* Waits until the socket is ready for `events` of poll(2): 0, -ETIMEDOUT, or -errno. */
	int (*wait)(void *arg, short events);
	void *arg;
};

struct tls;

/*
 * Gets ready with the credentials in `contents` (tls-files.h), which is read here. 0, or -errno
 * with *err: USAGE (a file does not hold what it should), SYSTEM.
 */
int tls_new(const struct tls_lib *lib, const struct tls_job *job, int contents,
	    const struct tls_wire *wire, struct tls **ret_tls, struct err *err);

/*
 * Shakes hands and verifies the peer. 0, or -errno with *err: PERMANENT (the peer is not who it
 * should be, refuses us, or does not speak TLS), RETRY (the connection broke, no time left).
 *
 * -TLS_RENEWS_KEYS: the peer chose TLS 1.3 with AES-GCM, where GnuTLS's servers renew keys after so
 * many records, which the kernel cannot follow. Connect again with job.only_tls12.
 */
int tls_handshake(struct tls *t, struct err *err);

/* Bytes moved; 0 (receiving): the peer ended; -errno with *err as for tls_handshake(). */
ssize_t tls_send(struct tls *t, const void *buf, size_t len, struct err *err);
ssize_t tls_recv(struct tls *t, void *buf, size_t len, struct err *err);

void tls_describe(struct tls *t, struct tls_facts *ret_facts);

/*
 * Hands both directions over to the kernel: from now on the socket itself encrypts, in every
 * process that has it. 0, or -errno with *err: SYSTEM (-TLS_NOT_IN_KERNEL: this kernel cannot,
 * nothing is wrong with the server), PERMANENT (the server spoke when it was not its turn).
 */
int tls_offload(struct tls *t, struct err *err);

/* Sends the TLS close notification, as far as that is possible without waiting. */
void tls_bye(struct tls *t);

/* Wipes the keys that GnuTLS holds. Accepts NULL. */
void tls_free(struct tls *t);

#endif
