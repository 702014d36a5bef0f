/* SPDX-License-Identifier: MIT */
#include "supervise/succession/taking.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "runtime/rundir.h"
#include "runtime/rundir-socket.h"

#define END_MS 2000 /* ms: the limit for a process to end after its connection has ended */

/* The listener must belong to our user: we send it nothing, but trust its answers. */
static int check_peer(struct taking *t)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(t->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	if (peer.uid != geteuid())
		return -EPERM;
	/* The connection is open, so the process ID still belongs to that process. */
	t->pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	return 0;
}

static void take_fds(struct msghdr *msg, int *fds, size_t *ret_n)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t more = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < more; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < MESSAGES_FDS_MAX)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	*ret_n = n;
}

/* The next packet; its length, 0 at the end of the connection, or -errno. */
static ssize_t receive(int fd, int flags, uint8_t *packet, int *fds, size_t *ret_n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(MESSAGES_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = packet, .iov_len = MESSAGES_MAX};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = sizeof(control.space),
	};
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	*ret_n = 0;
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	take_fds(&msg, fds, ret_n);
	return msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EBADMSG : n;
}

/* `STATUS SENTENCE`, like the answer to a command. */
static int refused(const uint8_t *packet, size_t len, struct err *err)
{
	char text[MESSAGES_MAX + 1], *sentence;
	enum err_kind kind = ERR_BUSY;

	memcpy(text, packet, len);
	text[len] = '\0';
	sentence = strchr(text, ' ');
	/*
	 * A supervisor of an earlier version does not know the request, and answers with 2. One in
	 * the foreground never hands over, and answers with 1: the lock's error says how to stop
	 * it.
	 */
	if (!sentence || atoi(text) == err_exit_status(ERR_USAGE) ||
	    atoi(text) == err_exit_status(ERR_FAILED))
		return -ENOENT;
	if (atoi(text) == err_exit_status(ERR_RETRY))
		kind = ERR_RETRY;
	return err_set(err, kind, EBUSY, "%.500s", sentence + 1);
}

static int take_offer(struct taking *t, const uint8_t *packet, size_t len, const int *fds, size_t n,
		      struct err *err)
{
	enum message_type type;
	int ret;

	if (!messages_is_one(packet, len) && n == 0)
		return refused(packet, len, err);
	ret = messages_read(packet, len, n, &type, &t->offer);
	if (ret == 0 && type != MESSAGE_OFFER)
		ret = -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		if (ret < 0)
			close(fds[i]);
		else if (given_add(&t->given, t->offer.name[i], fds[i], true) < 0)
			ret = -EBADMSG;
	}
	if (ret < 0)
		return err_set(err, ERR_BUSY, -ret,
			       "the supervisor in charge sent a message that is not known: it may "
			       "be of another version");
	return 0;
}

static int unanswered(struct err *err)
{
	return err_set(err, ERR_RETRY, ETIMEDOUT,
		       "the supervisor in charge does not answer: it may be stopped");
}

int taking_ask(struct taking *t, int index, struct err *err)
{
	uint8_t packet[MESSAGES_MAX];
	int fds[MESSAGES_FDS_MAX], ret;
	char question[32];
	ssize_t len;
	size_t n;

	*t = TAKING_NONE;
	ret = rundir_connect(rundir_device(index, "control").text, TAKING_LIMIT_MS);
	if (ret == -ENOENT)
		return ret;
	if (ret == -EAGAIN)
		return unanswered(err);
	if (ret < 0)
		return err_errno(err, ERR_RETRY, -ret, "cannot ask the supervisor in charge");
	t->fd = ret;
	ret = check_peer(t);
	if (ret < 0)
		return err_errno(err, ERR_BUSY, -ret, "cannot ask the supervisor in charge");
	snprintf(question, sizeof(question), "give %u", MESSAGES_VERSION);
	(void)!send(t->fd, question, strlen(question), MSG_NOSIGNAL);
	len = receive(t->fd, 0, packet, fds, &n);
	if (len <= 0) {
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
		if (len == -ETIMEDOUT)
			return unanswered(err);
		return err_errno(err, ERR_RETRY, len < 0 ? (int)-len : ECONNRESET,
				 "the supervisor in charge does not answer");
	}
	return take_offer(t, packet, (size_t)len, fds, n, err);
}

/*
 * The one in charge has closed the connection. If it lives, it keeps the device. If it has ended,
 * it has begun nothing new since its offer, only we have its locks, and only we are in charge.
 */
static bool has_ended(const struct taking *t)
{
	struct pollfd p = {.fd = t->pidfd, .events = POLLIN};

	return t->pidfd >= 0 && poll(&p, 1, END_MS) == 1;
}

static bool is_commit(const uint8_t *packet, ssize_t len, size_t n)
{
	enum message_type type;
	struct offer offer;

	return len > 0 && messages_read(packet, (size_t)len, n, &type, &offer) == 0 &&
	       type == MESSAGE_COMMIT;
}

int taking_commit(struct taking *t, struct err *err)
{
	uint8_t packet[MESSAGES_MAX];
	int fds[MESSAGES_FDS_MAX];
	ssize_t len = (ssize_t)messages_write(MESSAGE_READY, NULL, packet);
	size_t n;

	(void)!send(t->fd, packet, (size_t)len, MSG_NOSIGNAL);
	len = receive(t->fd, 0, packet, fds, &n);
	if (len == -ETIMEDOUT) {
		/* From here on no packet can be added to the queue; a COMMIT may be in it. */
		shutdown(t->fd, SHUT_RD);
		len = receive(t->fd, MSG_DONTWAIT, packet, fds, &n);
	}
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	if (is_commit(packet, len, n))
		return 0;
	if ((len == 0 || len == -ECONNRESET) && !t->by_commit_alone && has_ended(t))
		return 0;
	if (len > 0 && !messages_is_one(packet, (size_t)len) &&
	    refused(packet, (size_t)len, err) != -ENOENT)
		return -EBUSY;
	return err_set(err, ERR_RETRY, EBUSY, "the supervisor in charge has kept the device");
}

void taking_done(struct taking *t)
{
	close_fdp(&t->fd);
	close_fdp(&t->pidfd);
	given_close(&t->given);
	*t = TAKING_NONE;
}
