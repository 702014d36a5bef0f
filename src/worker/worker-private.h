/* SPDX-License-Identifier: MIT */
/* The worker's own, to the files of worker.h alone. */
#ifndef WORKER_WORKER_PRIVATE_H
#define WORKER_WORKER_PRIVATE_H

#include "nbd/sample.h"
#include "worker/tls/session.h"
#include "worker/worker.h"

/* Everything the job needs; without TLS nothing is allocated (the filter would not let it). */
struct worker {
	int fd;	    /* to the parent */
	int sock;   /* to the server */
	int keys;   /* with TLS */
	int kernel; /* with relay */
	uint64_t deadline;
	struct tls_lib lib;
	struct tls *tls; /* NULL: in plain text */
	struct worker_job job;
	struct worker_answer answer;
	struct nego nego;
	struct sample sample;
	uint8_t block[SAMPLE_BLOCK]; /* of what is read for its identifiers */
};

/* worker-bytes.c: bytes to and from the server, in plain text or over TLS. */

/* arg: the worker. Waits until its socket is ready for `events`. 0; -ETIMEDOUT at the deadline. */
int worker_wait_ready(void *arg, short events);
/* Bytes sent; 0: it is worth another try now; or -errno. */
ssize_t worker_send_bytes(struct worker *w, const uint8_t *buf, size_t len);
/* Returns the bytes received; sets *ret_end at the end of the stream; otherwise as above. */
ssize_t worker_receive_bytes(struct worker *w, uint8_t *buf, size_t room, bool *ret_end);

/*
 * worker-sample.c: reads the content to compare, if that is asked for. An export that has become
 * smaller is not read, because its size is enough to refuse it. 0 or -errno with the answer's
 * error.
 */
int worker_take_sample(struct worker *w);

#endif
