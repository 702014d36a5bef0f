/* SPDX-License-Identifier: MIT */
#include "worker/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/oom.h"
#include "base/protect.h"

static void answer(int fd, int ret, const struct err *err)
{
	struct zygote_answer a = {.ret = ret};

	if (ret < 0)
		a.err = *err;
	if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) != (ssize_t)sizeof(a))
		_exit(1);
}

/* Copies lock their memory without root's rights. Refused, they do without. */
static void allow_locking(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	(void)!setrlimit(RLIMIT_MEMLOCK, &all);
}

/* Returns the worker's end, or -1 when the parent has ended. */
static int receive(int fd, struct zygote_request *ret_request)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {ret_request, sizeof(*ret_request)};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int channel;
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = CMSG_FIRSTHDR(&msg);
	if (n != (ssize_t)sizeof(*ret_request) || !c || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&channel, CMSG_DATA(c), sizeof(channel));
	return channel;
}

/*
 * As fork(2), but the copy is the parent's child, which can wait for it then. No handler of a
 * library runs in it; worker_go_on() does what is needed.
 */
static pid_t copy_for_parent(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}

static void serve(int fd, pid_t parent, const struct sandbox *entered)
{
	static struct zygote_request request;
	struct err err;

	for (;;) {
		_cleanup_fd_ int channel = receive(fd, &request);
		pid_t pid;

		if (channel < 0)
			return;
		request.worker.sandbox = *entered;
		pid = copy_for_parent();
		if (pid == 0) {
			prctl(PR_SET_NAME, "nbd-handshake");
			if (dup2(channel, fd) < 0)
				_exit(1);
			close(TAKE_FD(channel));
			worker_go_on(fd, parent, &request.worker);
		}
		answer(fd,
		       pid < 0
			   ? err_errno(&err, ERR_SYSTEM, errno, "cannot start a handshake process")
			   : pid,
		       &err);
	}
}

void zygote_run(int fd, pid_t parent, const void *setup, size_t len)
{
	const struct worker_config *cfg = setup;
	struct sandbox own, entered;
	struct err err;
	int ret;

	if (len != sizeof(*cfg))
		_exit(1);
	own = cfg->sandbox;
	own.keep_real_uid = own.change_identity && protect_root();
	entered = own;
	entered.change_identity = false;
	allow_locking();
	/* Without it, an outage would not end where memory is short. Without privilege, nothing. */
	(void)oom_set(OOM_NEVER);
	ret = worker_prepare(cfg, &err);
	if (ret == 0)
		ret = sandbox_enter(&own, SANDBOX_ZYGOTE, parent, &err);
	answer(fd, ret, &err);
	if (ret == 0)
		serve(fd, parent, &entered);
}
