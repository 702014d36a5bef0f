/* SPDX-License-Identifier: MIT */
#include "worker/worker-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"

/*
 * Waits until the socket is ready for `events`. The parent's timer ends a slow handshake by killing
 * this process; the deadline here is for a parent that is not allowed to (without CAP_KILL).
 *
 * A server that sends a reply in pieces waits for the acknowledgement of the first (Nagle), which
 * we would delay by 40 ms without TCP_QUICKACK. It has no meaning, and does no harm, on other
 * sockets than TCP.
 */
int worker_wait_ready(void *arg, short events)
{
	struct worker *w = arg;
	const int on = 1;
	struct pollfd p[] = {{.fd = w->sock, .events = events}, {.fd = w->fd}};
	uint64_t now = loop_now();
	int n;

	if (now >= w->deadline)
		return -ETIMEDOUT;
	if (events == POLLIN)
		setsockopt(w->sock, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
	n = poll(p, ARRAY_SIZE(p), (int)(w->deadline - now));
	if (n < 0 && errno != EINTR)
		return -errno;
	if (n > 0 && p[1].revents)
		_exit(1);
	return 0;
}

ssize_t worker_send_bytes(struct worker *w, const uint8_t *buf, size_t len)
{
	ssize_t n;

	if (w->tls)
		return tls_send(w->tls, buf, len, &w->answer.err);
	n = send(w->sock, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0)
		return n;
	if (errno == EAGAIN)
		return worker_wait_ready(w, POLLOUT);
	return errno == EINTR ? 0 : -errno;
}

ssize_t worker_receive_bytes(struct worker *w, uint8_t *buf, size_t room, bool *ret_end)
{
	ssize_t n;

	if (w->tls)
		n = tls_recv(w->tls, buf, room, &w->answer.err);
	else
		n = recv(w->sock, buf, room, MSG_DONTWAIT);
	*ret_end = n == 0;
	if (n >= 0 || w->tls)
		return n;
	if (errno == EAGAIN)
		return worker_wait_ready(w, POLLIN);
	return errno == EINTR ? 0 : -errno;
}
