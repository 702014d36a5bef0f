/* SPDX-License-Identifier: MIT */
/*
 * A session whose handshake is over, used between two blocks of memory in place of its socket.
 * Nothing blocks.
 */
#ifndef WORKER_TLS_STREAM_H
#define WORKER_TLS_STREAM_H

#include <sys/types.h>

#include "worker/relay-buffer.h"
#include "worker/tls/session.h"

/* From now on it takes records from `in` and puts records into `out` (borrowed). */
void tls_stream(struct tls *t, struct relay_buffer *in, struct relay_buffer *out);

/* Encrypts at most one record: the bytes taken, 0 if `out` has no room, or -EPROTO. */
ssize_t tls_seal(struct tls *t, const void *buf, size_t len);

/*
 * Decrypts at most one record into buf: its bytes; 0 when the peer has ended TLS; -EAGAIN if `in`
 * holds no whole one, or buf has no room for the largest; or -EPROTO.
 */
ssize_t tls_open(struct tls *t, void *buf, size_t len);

#endif
