/* SPDX-License-Identifier: MIT */
#include "supervise/watch/knock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define AGAIN_MS 3000 /* TCP's own pauses grow, and the network may be back any time */
#define CLOSE_MS 5000 /* for the server to close its side */

struct knock {
	struct loop *loop;
	struct diag_socket at;
	int fd;
	struct loop_io *io;
	struct loop_timer *timer;
	bool answered;
};

static socklen_t length(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static void end(struct knock *k)
{
	loop_io_free(TAKE_PTR(k->io));
	loop_timer_cancel(k->timer);
	close_fdp(&k->fd);
	k->fd = -1;
}

/* What the server says is read, because to close before that would reset the connection. */
static void drain(int fd, uint32_t events, void *arg)
{
	char buf[512];
	ssize_t n;

	(void)events;
	do
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n == 0 || errno != EAGAIN)
		end(arg);
}

static void answered(int fd, uint32_t events, void *arg)
{
	struct knock *k = arg;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	loop_io_free(TAKE_PTR(k->io));
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
		return; /* the timer tries again */
	k->answered = true;
	shutdown(fd, SHUT_WR);
	k->io = loop_io_new(k->loop, fd, EPOLLIN, drain, k);
	loop_timer_set(k->timer, CLOSE_MS);
}

static bool dial(struct knock *k)
{
	int one = 1;

	k->fd = socket(k->at.local.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->fd < 0 || setsockopt(k->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(k->fd, (const void *)&k->at.local, length(&k->at.local)) < 0)
		return false;
	return connect(k->fd, (const void *)&k->at.peer, length(&k->at.peer)) == 0 ||
	       errno == EINPROGRESS;
}

static void try(void *arg)
{
	struct knock *k = arg;

	end(k);
	if (k->answered)
		return;
	if (dial(k))
		k->io = loop_io_new(k->loop, k->fd, EPOLLOUT, answered, k);
	loop_timer_set(k->timer, AGAIN_MS);
}

struct knock *knock_new(struct loop *loop, const struct diag_socket *at, uint32_t delay_ms)
{
	struct knock *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	*k = (struct knock){.loop = loop, .at = *at, .fd = -1};
	k->timer = loop_timer_new(loop, try, k);
	if (!k->timer) {
		free(k);
		return NULL;
	}
	if (delay_ms)
		loop_timer_set(k->timer, delay_ms);
	else
		try(k);
	return k;
}

void knock_free(struct knock *k)
{
	if (!k)
		return;
	end(k);
	loop_timer_free(k->timer);
	free(k);
}
