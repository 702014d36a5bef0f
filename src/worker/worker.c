/* SPDX-License-Identifier: MIT */
/*
 * One straight sequence, so that it can be reviewed as a whole, because a server may take this
 * process over.
 */
#include "worker/worker-private.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/libc.h"
#include "base/loop.h"
#include "base/oom.h"
#include "base/pages.h"
#include "worker/relay.h"

/* Stack the handshake may need, touched before it is locked. */
#define STACK_RESERVE 65536

/* Parsing a bundle of all authorities takes 3 MiB, the relay's buffers take one. */
#define HEAP_RESERVE (4 << 20)

/* How long a goodbye may take: it is a courtesy, and there are servers that do not answer it. */
#define GOODBYE_MS 100

/* A parent that has ended needs no answer. */
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
	int fds[3];
	size_t n_fds = 1;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(fds))];
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
	n_fds += (size_t)w->job.tls.on + w->job.relay;
	if (n != (ssize_t)sizeof(w->job) || !c || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(n_fds * sizeof(int)))
		_exit(1);
	memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
	w->sock = fds[0];
	w->keys = w->job.tls.on ? fds[1] : -1;
	w->kernel = w->job.relay ? fds[n_fds - 1] : -1;
	w->deadline = loop_now() + w->job.timeout_ms;
}

static int send_some(struct worker *w, const uint8_t *buf, size_t len)
{
	ssize_t n = worker_send_bytes(w, buf, len);

	if (n > 0)
		nego_send_ack(&w->nego, (size_t)n);
	return n < 0 ? (int)n : 0;
}

static int receive_some(struct worker *w)
{
	size_t room;
	uint8_t *buf = nego_recv_buf(&w->nego, &room);
	bool end;
	ssize_t n = worker_receive_bytes(w, buf, room, &end);

	if (n > 0)
		nego_recv_ack(&w->nego, (size_t)n);
	else if (n == 0 && end)
		nego_recv_eof(&w->nego);
	return n < 0 ? (int)n : 0;
}

static int move_bytes(struct worker *w)
{
	size_t len;
	const uint8_t *buf = nego_send_buf(&w->nego, &len);

	if (buf)
		return send_some(w, buf, len);
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
 * A session that is not continued ends with ABORT or DISC where the protocol allows it. Then the
 * server closes; closing first, with its answer unread, would reset the connection under it.
 */
static void say_goodbye(struct worker *w)
{
	uint64_t deadline = loop_now() + GOODBYE_MS;
	struct err ignored = w->answer.err;
	const uint8_t *buf;
	uint8_t rest[256];
	size_t len;
	ssize_t n;

	if (!nego_send_buf(&w->nego, &len))
		return;
	w->deadline = w->deadline < deadline ? w->deadline : deadline;
	while ((buf = nego_send_buf(&w->nego, &len)))
		if (send_some(w, buf, len) < 0)
			break;
	w->answer.err = ignored;
	if (buf)
		return;
	if (w->tls)
		tls_bye(w->tls);
	do {
		if (worker_wait_ready(w, POLLIN) < 0)
			return;
		n = recv(w->sock, rest, sizeof(rest), MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
}

static int start_tls(struct worker *w)
{
	const struct tls_wire wire = {.sock = w->sock, .wait = worker_wait_ready, .arg = w};
	struct tls *tls = NULL;
	int ret = tls_new(&w->lib, &w->job.tls, w->keys, &wire, &tls, &w->answer.err);

	if (ret < 0)
		return ret;
	ret = tls_handshake(tls, &w->answer.err);
	if (ret < 0)
		return ret;
	w->tls = tls;
	nego_tls_started(&w->nego);
	return 0;
}

/* The errors of TLS bring their own sentence. */
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
			ret = start_tls(w);
			if (ret < 0)
				return ret;
			break;
		case NEGO_DONE:
			say_goodbye(w); /* unless the goal is GO */
			return 0;
		case NEGO_FAILED:
			say_goodbye(w);
			*err = *nego_err(&w->nego);
			return -EPROTO;
		}
	}
	/* Such a server closes the connection, and a second request cannot be sent. */
	if (ret != -ETIMEDOUT && nego_is_refused(&w->nego)) {
		nego_recv_eof(&w->nego);
		*err = *nego_err(&w->nego);
		return -EPROTO;
	}
	if (w->tls)
		return ret;
	if (ret == -ETIMEDOUT)
		return err_set(err, ERR_RETRY, ETIMEDOUT,
			       "the server did not finish the handshake in time");
	return err_errno(err, ERR_RETRY, -ret, "the connection broke during the handshake");
}

/*
 * Tells the parent, and does not need it from then on, so that a device works on when its
 * supervisor has died.
 */
static void __attribute__((noreturn)) become_relay(struct worker *w)
{
	const struct relay_config cfg = {
	    .sock = w->sock,
	    .kernel = w->kernel,
	    .tls = w->tls,
	    .peer_timeout_ms = w->job.peer_timeout_ms,
	};
	struct relay *relay = relay_new(&cfg);

	if (!relay)
		give_up(w, err_set(&w->answer.err, ERR_SYSTEM, ENOMEM, "no memory for the relay"));
	prctl(PR_SET_NAME, "nbd-relay");
	if (prctl(PR_SET_PDEATHSIG, 0) < 0)
		give_up(w, err_errno(&w->answer.err, ERR_SYSTEM, errno, "cannot start the relay"));
	close(w->keys);
	w->answer.export = *nego_export(&w->nego);
	answer(w, WORKER_DONE, 0);
	close(w->fd);
	_exit((int)relay_run(relay));
}

static void do_job(struct worker *w)
{
	struct nego_config cfg = {
	    .goal = (enum nego_goal)w->job.goal,
	    .export_name = w->job.name,
	    .tls = w->job.tls.on,
	};
	int ret = nego_init(&w->nego, &cfg, &w->answer.err);

	if (ret == 0)
		ret = shake_hands(w);
	if (ret == 0 && cfg.goal == NEGO_GOAL_GO)
		ret = worker_take_sample(w);
	if (ret == 0 && w->tls) {
		tls_describe(w->tls, &w->answer.tls);
		if (w->job.tls.offload)
			ret = tls_offload(w->tls, &w->answer.err);
	}
	if (ret == 0 && w->job.relay)
		become_relay(w);
	tls_free(w->tls);
	close(w->sock);
	if (ret < 0)
		give_up(w, ret);
	if (cfg.goal != NEGO_GOAL_LIST)
		w->answer.export = *nego_export(&w->nego);
	answer(w, WORKER_DONE, 0);
}

/*
 * Lets the heap grow to what a handshake with TLS and a relay take, before there is little memory
 * to be had. Large blocks come from the heap, too. Only glibc can be told so: elsewhere the system
 * call filter lets malloc() map pages.
 */
static void prepare_heap(void)
{
	void *room;

	mallopt(M_MMAP_MAX, 0);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	room = malloc(HEAP_RESERVE);
	if (room)
		memset(room, 0, HEAP_RESERVE);
	free(room);
}

/* The pages that exist now; the job needs no others. */
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

/* What comes before the sandbox: it reads files and takes memory. */
static int prepare(const struct worker_config *cfg, struct tls_lib *lib, struct err *err)
{
	int ret = 0;

	if (cfg->tls || cfg->relay)
		prepare_heap();
	if (cfg->tls)
		ret = tls_lib_load(lib, err);
	/* A relay is in the way of the kernel's writing, where memory is freed. Needs privilege. */
	if (cfg->relay)
		(void)oom_set(OOM_NEVER);
	return ret == 0 && cfg->lock_memory ? lock_memory(err) : ret;
}

static struct worker *the_worker; /* of this process alone: started for one job */

static struct worker *new_worker(int fd)
{
	struct worker *w = pages_new(sizeof(*w));

	if (!w)
		_exit(1);
	w->fd = fd;
	w->sock = w->keys = w->kernel = -1;
	return w;
}

static void __attribute__((noreturn))
work(struct worker *w, const struct worker_config *cfg, pid_t parent, int ret)
{
	if (ret == 0)
		ret = sandbox_enter(&cfg->sandbox,
				    cfg->tls || cfg->relay ? SANDBOX_TLS : SANDBOX_HANDSHAKE,
				    parent, &w->answer.err);
	if (ret < 0)
		give_up(w, ret);
	answer(w, WORKER_READY, 0);
	wait_for_job(w);
	do_job(w);
	_exit(0);
}

void worker_run(int fd, pid_t parent, const void *setup, size_t len)
{
	const struct worker_config *cfg = setup;
	struct worker *w;

	if (len != sizeof(*cfg))
		_exit(1);
	w = new_worker(fd);
	work(w, cfg, parent, prepare(cfg, &w->lib, &w->answer.err));
}

int worker_prepare(const struct worker_config *cfg, struct err *err)
{
	the_worker = new_worker(-1);
	return prepare(cfg, &the_worker->lib, err);
}

void worker_go_on(int fd, pid_t parent, const struct worker_config *cfg)
{
	struct worker *w = the_worker;
	struct err ignored;

	w->fd = fd;
	/* Two copies of one generator would give two servers the same keys. */
	if (cfg->tls)
		w->lib.rnd_refresh();
	/* Locks are not inherited. What the program is made of is locked by the zygote. */
	if (cfg->lock_memory)
		(void)!lock_memory(&ignored);
	work(w, cfg, parent, 0);
}
