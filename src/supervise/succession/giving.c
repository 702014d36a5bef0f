/* SPDX-License-Identifier: MIT */
#include "supervise/succession/giving.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

struct giving {
	const struct part_env *env;
	const struct giving_events *events;
	void *arg;
	int fd;
	struct loop_io *io; /* NULL: it is over, and its result was reported */
	struct loop_timer *limit;
};

/* The connection ends first, so that a COMMIT can no longer be sent to one that was given up. */
static void keep(struct giving *g, int error, const char *why)
{
	struct err err;

	loop_io_free(TAKE_PTR(g->io));
	loop_timer_cancel(g->limit);
	close_fdp(&g->fd);
	g->fd = -1;
	err_set(&err, ERR_FAILED, error, "%s", why);
	g->events->kept(&err, g->arg);
}

static void late(void *arg)
{
	keep(arg, ETIMEDOUT, "the other supervisor took too long");
}

/*
 * The packet is either in the other one's queue or refused: the kernel refuses it if the other one
 * has ended, or has used shutdown(2) to stop reading.
 */
static void commit(struct giving *g)
{
	uint8_t packet[MESSAGES_MAX];
	size_t len = messages_write(MESSAGE_COMMIT, NULL, packet);

	if (send(g->fd, packet, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len) {
		keep(g, errno, "the other supervisor has ended");
		return;
	}
	loop_io_free(TAKE_PTR(g->io));
	loop_timer_cancel(g->limit);
	g->events->given(g->arg);
}

static void heard(int fd, uint32_t events, void *arg)
{
	struct giving *g = arg;
	uint8_t packet[MESSAGES_MAX];
	enum message_type type;
	struct offer offer;
	ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		keep(g, ECONNRESET, "the other supervisor has ended");
	else if (messages_read(packet, (size_t)n, 0, &type, &offer) < 0 || type != MESSAGE_READY)
		keep(g, EBADMSG, "the other supervisor sent a message that is not known");
	else if (!g->events->ready(g->arg))
		keep(g, EBUSY, "something else happened meanwhile");
	else
		commit(g);
}

struct giving *giving_new(const struct part_env *env, int fd, const struct giving_events *events,
			  void *arg)
{
	struct giving *g = calloc(1, sizeof(*g));

	if (!g) {
		close_fdp(&fd);
		return NULL;
	}
	*g = (struct giving){.env = env, .events = events, .arg = arg, .fd = fd};
	g->limit = loop_timer_new(env->loop, late, g);
	if (g->limit)
		g->io = loop_io_new(env->loop, fd, EPOLLIN, heard, g);
	if (g->io)
		return g;
	giving_free(g);
	return NULL;
}

void giving_free(struct giving *g)
{
	if (!g)
		return;
	loop_io_free(g->io);
	loop_timer_free(g->limit);
	close_fdp(&g->fd);
	free(g);
}

int giving_offer(struct giving *g, const struct offer *offer, const int *fds, struct err *err)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(MESSAGES_FDS_MAX * sizeof(int))];
	} control = {.space = ""};
	uint8_t packet[MESSAGES_MAX];
	struct iovec iov = {.iov_base = packet,
			    .iov_len = messages_write(MESSAGE_OFFER, offer, packet)};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = CMSG_SPACE(offer->n * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(offer->n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, offer->n * sizeof(int));
	if (sendmsg(g->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return err_errno(err, ERR_FAILED, errno, "cannot offer the device");
	loop_timer_set(g->limit, GIVING_LIMIT_MS);
	return 0;
}
