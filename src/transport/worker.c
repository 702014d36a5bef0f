/* SPDX-License-Identifier: MIT */
#include "transport/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Stack the handshake may need, touched before it is locked. */
#define STACK_RESERVE 65536

/* How long a goodbye may take: it is a courtesy, and there are servers that do not answer it. */
#define GOODBYE_MS 100

/* Everything the job needs, so that nothing is allocated (the filter would not let it). */
struct worker {
	int fd;	  /* to the parent */
	int sock; /* to the server */
	uint64_t deadline;
	struct worker_job job;
	struct worker_answer answer;
	struct nego nego;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A parent that has gone needs no answer. */
static void answer(struct worker *w, enum worker_answer_type type, int ret)
{
	ssize_t sent;

	w->answer.type = type;
	w->answer.ret = ret;
	do
		sent = send(w->fd, &w->answer, sizeof(w->answer), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent != (ssize_t)sizeof(w->answer))
		_exit(1);
}

static void __attribute__((noreturn)) give_up(struct worker *w, int ret)
{
	answer(w, WORKER_FAILED, ret);
	_exit(0);
}

static void wait_for_job(struct worker *w)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {&w->job, sizeof(w->job)};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(w->fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0) /* a spare that was not needed */
		_exit(0);
	c = CMSG_FIRSTHDR(&msg);
	if (n != (ssize_t)sizeof(w->job) || !c || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		_exit(1);
	memcpy(&w->sock, CMSG_DATA(c), sizeof(int));
	w->deadline = now_ms() + w->job.timeout_ms;
}

/*
 * Waits until the socket is ready for `events`. The parent's timer ends a slow handshake by
 * killing this process; the deadline here is for a parent that may not (CAP_KILL taken away).
 */
static int wait_ready(struct worker *w, short events, uint64_t deadline)
{
	struct pollfd p[] = {{.fd = w->sock, .events = events}, {.fd = w->fd}};
	uint64_t now = now_ms();
	int n;

	if (now >= deadline)
		return -ETIMEDOUT;
	n = poll(p, ARRAY_SIZE(p), (int)(deadline - now));
	if (n < 0 && errno != EINTR)
		return -errno;
	if (n > 0 && p[1].revents)
		_exit(1);
	return 0;
}

static int send_some(struct worker *w, const uint8_t *buf, size_t len, uint64_t deadline)
{
	ssize_t n = send(w->sock, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0) {
		nego_send_ack(&w->nego, (size_t)n);
		return 0;
	}
	if (errno == EAGAIN)
		return wait_ready(w, POLLOUT, deadline);
	return errno == EINTR ? 0 : -errno;
}

/*
 * A server that sends a reply in pieces waits for the acknowledgement of the first (Nagle), which
 * we would delay by 40 ms. Of no meaning, and no harm, on other sockets than TCP.
 */
static int await_input(struct worker *w)
{
	const int on = 1;

	setsockopt(w->sock, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
	return wait_ready(w, POLLIN, w->deadline);
}

static int receive_some(struct worker *w)
{
	size_t room;
	uint8_t *buf = nego_recv_buf(&w->nego, &room);
	ssize_t n = recv(w->sock, buf, room, MSG_DONTWAIT);

	if (n > 0)
		nego_recv_ack(&w->nego, (size_t)n);
	else if (n == 0)
		nego_recv_eof(&w->nego);
	else if (errno == EAGAIN)
		return await_input(w);
	else if (errno != EINTR)
		return -errno;
	return 0;
}

static int move_bytes(struct worker *w)
{
	size_t len;
	const uint8_t *buf = nego_send_buf(&w->nego, &len);

	if (buf)
		return send_some(w, buf, len, w->deadline);
	return receive_some(w);
}

static void tell_listed(struct worker *w)
{
	const char *name, *description;

	nego_list_entry(&w->nego, &name, &description);
	strncpy(w->answer.export.name, name, NBD_STRING_MAX);
	strncpy(w->answer.export.description, description, NBD_STRING_MAX);
	answer(w, WORKER_LISTED, 0);
	nego_list_next(&w->nego);
}

/*
 * A session that does not go on ends with ABORT or DISC where it may. Then the server closes;
 * closing first, with its answer unread, would reset the connection under it.
 */
static void say_goodbye(struct worker *w)
{
	uint64_t deadline = now_ms() + GOODBYE_MS;
	const uint8_t *buf;
	uint8_t rest[256];
	size_t len;
	ssize_t n;

	if (!nego_send_buf(&w->nego, &len))
		return;
	while ((buf = nego_send_buf(&w->nego, &len)))
		if (send_some(w, buf, len, deadline) < 0)
			return;
	do {
		if (wait_ready(w, POLLIN, deadline) < 0)
			return;
		n = recv(w->sock, rest, sizeof(rest), MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
}

static int shake_hands(struct worker *w)
{
	struct err *err = &w->answer.err;
	int ret = 0;

	while (ret == 0) {
		switch (nego_status(&w->nego)) {
		case NEGO_IO:
			ret = move_bytes(w);
			break;
		case NEGO_LISTED:
			tell_listed(w);
			break;
		case NEGO_STARTTLS:
			return err_set(err, ERR_SYSTEM, ENOTSUP,
				       "the server agrees to TLS, which is not built into this "
				       "version");
		case NEGO_DONE:
			say_goodbye(w); /* unless the goal is GO */
			return 0;
		case NEGO_FAILED:
			say_goodbye(w);
			*err = *nego_err(&w->nego);
			return -EPROTO;
		}
	}
	if (ret == -ETIMEDOUT)
		return err_set(err, ERR_RETRY, ETIMEDOUT,
			       "the server did not finish the handshake in time");
	return err_errno(err, ERR_RETRY, -ret, "the connection broke during the handshake");
}

static void do_job(struct worker *w)
{
	struct nego_config cfg = {
	    .goal = (enum nego_goal)w->job.goal,
	    .export_name = w->job.name,
	};
	int ret = nego_init(&w->nego, &cfg, &w->answer.err);

	if (ret == 0)
		ret = shake_hands(w);
	close(w->sock);
	if (ret < 0)
		give_up(w, ret);
	if (cfg.goal != NEGO_GOAL_LIST)
		w->answer.export = *nego_export(&w->nego);
	answer(w, WORKER_DONE, 0);
}

/* The pages that exist now, copies of the parent's included; the job needs no others. */
static int lock_memory(struct err *err)
{
	volatile char stack[STACK_RESERVE];

	for (size_t i = 0; i < sizeof(stack); i += 1024)
		stack[i] = 0;
	if (mlockall(MCL_CURRENT) < 0)
		return err_errno(err, ERR_SYSTEM, errno,
				 "cannot lock the handshake process in memory");
	return 0;
}

void worker_run(int fd, pid_t parent, const void *arg)
{
	static struct worker worker; /* of this process alone: forked for one job */
	const struct worker_config *cfg = arg;
	struct worker *w = &worker;
	int ret = 0;

	*w = (struct worker){.fd = fd, .sock = -1};
	if (cfg->lock_memory)
		ret = lock_memory(&w->answer.err);
	if (ret == 0)
		ret = sandbox_enter(cfg->sandbox, SANDBOX_HANDSHAKE, parent, &w->answer.err);
	if (ret < 0)
		give_up(w, ret);
	answer(w, WORKER_READY, 0);
	wait_for_job(w);
	do_job(w);
	_exit(0);
}
