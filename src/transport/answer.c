/* SPDX-License-Identifier: MIT */
/* The parent's side of worker.h: sends a job, and checks an answer before using it. */
#include "worker/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "base/text.h"

int worker_send_job(int fd, const struct worker_job *job, const struct worker_fds *fds)
{
	int list[3] = {fds->sock};
	size_t n = 1, len;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(list))];
	} control = {0};
	struct iovec iov = {(void *)job, sizeof(*job)}; /* sendmsg() does not write there */
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,

	};
	struct cmsghdr *c;

	if (job->tls.on)
		list[n++] = fds->keys;
	if (job->relay)
		list[n++] = fds->kernel;
	len = n * sizeof(int);
	msg.msg_controllen = CMSG_SPACE(len);
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), list, len);
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int worker_receive(int fd, void *buf, size_t size)
{
	struct iovec iov = {buf, size};
	/* Without room for control data the kernel drops descriptors that were sent along. */
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	/*
	 * ECONNRESET tells once that the helper ended with a job unread; what it had said before
	 * follows.
	 */
	do
		n = process_receive(fd, &msg, 0);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return -errno;
	if (n == 0 && !(msg.msg_flags & MSG_TRUNC))
		return 0;
	if ((size_t)n != size || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return -EPROTO;
	return 1;
}

static bool terminated(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static bool utf8(const char *s)
{
	size_t len = strlen(s), n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_length((const uint8_t *)s + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

static bool failure_valid(struct worker_answer *a)
{
	char raw[ERR_MESSAGE_MAX];
	struct text t;

	if (a->ret >= 0 || a->ret < -4095 || !terminated(a->err.message, sizeof(raw)) ||
	    a->err.message[0] == '\0')
		return false;
	/* Kinds that a handshake can end with. BUSY, for example, can only come from the kernel. */
	if (a->err.kind != ERR_FAILED && a->err.kind != ERR_USAGE && a->err.kind != ERR_RETRY &&
	    a->err.kind != ERR_PERMANENT && a->err.kind != ERR_SYSTEM)
		return false;
	memcpy(raw, a->err.message, sizeof(raw));
	text_init(&t, a->err.message, sizeof(a->err.message));
	text_escape(&t, raw, strlen(raw), sizeof(raw));
	return true;
}

static void escape(char *field, size_t size)
{
	char raw[sizeof(((struct tls_facts *)NULL)->peer)];
	struct text t;

	snprintf(raw, sizeof(raw), "%s", field);
	text_init(&t, field, size);
	text_escape(&t, raw, strlen(raw), sizeof(raw));
}

static bool facts_valid(struct tls_facts *f)
{
	if (!terminated(f->version, sizeof(f->version)) ||
	    !terminated(f->cipher, sizeof(f->cipher)) || !terminated(f->peer, sizeof(f->peer)))
		return false;
	/* Others reckon with these. */
	if (f->peer_expires < 0 || f->peer_expires > TLS_EXPIRES_MAX || f->own_expires < 0 ||
	    f->own_expires > TLS_EXPIRES_MAX)
		return false;
	escape(f->version, sizeof(f->version));
	escape(f->cipher, sizeof(f->cipher));
	escape(f->peer, sizeof(f->peer));
	return true;
}

static bool answer_valid(struct worker_answer *a, enum nego_goal goal)
{
	const struct nbd_export *e = &a->export;

	switch ((enum worker_answer_type)a->type) {
	case WORKER_READY:
		return true;
	case WORKER_LISTED:
		return goal == NEGO_GOAL_LIST && terminated(e->name, sizeof(e->name)) &&
		       terminated(e->description, sizeof(e->description)) && utf8(e->name) &&
		       utf8(e->description);
	case WORKER_DONE:
		return facts_valid(&a->tls) && ids_valid(&a->ids) &&
		       (goal == NEGO_GOAL_LIST || nbd_export_valid(e));
	case WORKER_FAILED:
		return failure_valid(a);
	}
	return false;
}

int worker_answer_check(struct worker_answer *a, enum nego_goal goal, struct err *err)
{
	if (answer_valid(a, goal))
		return 0;
	return err_set(err, ERR_PERMANENT, EPROTO,
		       "the handshake process gave an invalid answer: the server may have "
		       "attacked it");
}

/* Errors that the parent acts on, and those that only need a message. */
static const struct {
	int number;
	bool for_offload; /* only a job with TLS for the kernel fails so */
} failures[] = {
    {TLS_RENEWS_KEYS, true},
    {TLS_NOT_IN_KERNEL, true},
    {EPROTO, false},
    {ETIMEDOUT, false},
    {ECONNRESET, false},
    {ECONNREFUSED, false},
    {ECONNABORTED, false},
    {EPIPE, false},
    {ENOTCONN, false},
    {EHOSTUNREACH, false},
    {ENETUNREACH, false},
    {ENETDOWN, false},
    {EHOSTDOWN, false},
    {ENOMEM, false},
    {EINVAL, false},
    {ENOENT, false},
    {ENOSYS, false},
    {EPERM, false},
    {EACCES, false},
    {ENAMETOOLONG, false},
    {ESHUTDOWN, false},
    {EKEYEXPIRED, false},
    {EKEYREJECTED, false},
    {EOPNOTSUPP, false},
    {EIO, false},
};

static bool failure_fits(struct worker_answer *a, const struct worker_expected *x)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(failures) && failures[i].number != -a->ret)
		i++;
	if (i == ARRAY_SIZE(failures))
		a->ret = -EIO;
	else if (failures[i].for_offload && !(x->ready && x->tls && x->offload))
		return false;
	/*
	 * Before it is ready it has received no data from a server, so it may report what its
	 * sandbox lacks.
	 */
	if (x->ready && !x->tls && !x->relay &&
	    (a->err.kind == ERR_SYSTEM || a->err.kind == ERR_USAGE))
		a->err.kind = ERR_PERMANENT;
	return true;
}

/*
 * Otherwise a server that controls the worker could pretend that its connection is protected by
 * TLS.
 */
static bool facts_fit(const struct tls_facts *f, const struct worker_expected *x)
{
	return x->tls ||
	       !(f->version[0] || f->cipher[0] || f->peer[0] || f->peer_expires || f->own_expires);
}

/* In which phase each kind of message may come. */
static const struct {
	bool before_ready, after_ready;
} phases[] = {
    [WORKER_READY] = {true, false},
    [WORKER_LISTED] = {false, true},
    [WORKER_DONE] = {false, true},
    [WORKER_FAILED] = {true, true},
};

int worker_answer_fits(struct worker_answer *a, const struct worker_expected *x, struct err *err)
{
	if (a->type < ARRAY_SIZE(phases) &&
	    (x->ready ? phases[a->type].after_ready : phases[a->type].before_ready) &&
	    (a->type != WORKER_FAILED || failure_fits(a, x)) &&
	    (a->type != WORKER_DONE || facts_fit(&a->tls, x)))
		return 0;
	return err_set(err, ERR_PERMANENT, EPROTO,
		       "the handshake process gave an answer that it is not allowed to give: the "
		       "server may have attacked it");
}

int worker_ended_err(const struct process_end *end, const char *what, struct err *err)
{
	if (end->exited)
		return err_set(err, ERR_RETRY, ECHILD,
			       "the %s process ended with status %d without an answer", what,
			       end->value);
	/* From outside: an administrator, or the kernel short of memory. */
	if (end->value == SIGKILL || end->value == SIGTERM)
		return err_set(err, ERR_RETRY, ECHILD,
			       "the %s process was killed by another process or for lack of memory",
			       what);
	return err_set(err, ERR_PERMANENT, ECHILD,
		       "the %s process crashed (signal %d, %s): the server may have attacked it",
		       what, end->value, strsignal(end->value));
}
