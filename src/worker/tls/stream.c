/* SPDX-License-Identifier: MIT */
/* TLS between two blocks of memory, for the relay: one call handles as much as fits. */
#include <errno.h>
#include <string.h>

#include "worker/tls/private.h"
#include "worker/tls/stream.h"

/* A record, what TLS puts around it, and an answer to a KeyUpdate before it. */
#define RECORD_MAX  16384
#define RECORD_ROOM (RECORD_MAX + 1024)

static ssize_t pull(gnutls_transport_ptr_t arg, void *buf, size_t len)
{
	struct tls *t = arg;

	if (t->in->len == 0) {
		t->lib->transport_set_errno(t->session, EAGAIN);
		return -1;
	}
	len = len < t->in->len ? len : t->in->len;
	memcpy(buf, buffer_front(t->in), len);
	buffer_drop(t->in, len);
	return (ssize_t)len;
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *buf, size_t len)
{
	struct tls *t = arg;

	if (buffer_room(t->out) < len) {
		t->lib->transport_set_errno(t->session, EAGAIN);
		return -1;
	}
	memcpy(buffer_behind(t->out), buf, len);
	t->out->len += len;
	return (ssize_t)len;
}

void tls_stream(struct tls *t, struct relay_buffer *in, struct relay_buffer *out)
{
	t->in = in;
	t->out = out;
	t->lib->transport_set_pull_function(t->session, pull);
	t->lib->transport_set_push_function(t->session, push);
}

ssize_t tls_seal(struct tls *t, const void *buf, size_t len)
{
	ssize_t n;

	if (buffer_room(t->out) < RECORD_ROOM)
		return 0;
	n = t->lib->record_send(t->session, buf, len < RECORD_MAX ? len : RECORD_MAX);
	if (n < 0)
		return t->lib->error_is_fatal((int)n) ? -EPROTO : 0;
	return n;
}

ssize_t tls_open(struct tls *t, void *buf, size_t len)
{
	ssize_t n;

	if (len < RECORD_MAX)
		return -EAGAIN;
	n = t->lib->record_recv(t->session, buf, len);
	/*
	 * A request for another handshake may be ignored (RFC 5246 section 7.4.1.1); an answer is
	 * an alert, at which servers built on GnuTLS end the connection.
	 */
	if (n < 0)
		return t->lib->error_is_fatal((int)n) ? -EPROTO : -EAGAIN;
	return n;
}
