/* SPDX-License-Identifier: MIT */
#include "transport/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/oom.h"
#include "worker/helper-main.h"
#include "worker/zygote.h"

#define PATIENCE_MS 5000 /* ms: limit for an answer that normally takes a millisecond */

static int start(struct nursery *n, struct err *err)
{
	const struct process_job job = {
	    .kind = HELPER_ZYGOTE,
	    .name = "nbd-zygote",
	    .setup = &n->cfg,
	    .len = sizeof(n->cfg),
	    .protected = true,
	};
	int ret = process_start(&n->zygote, n->seed, &job, err);

	n->ready = false;
	if (ret == 0 && n->cfg.sandbox.change_identity)
		n->zygote.uid = n->cfg.sandbox.uid;
	return ret;
}

int nursery_init(struct nursery *n, const struct process_seed *seed,
		 const struct worker_config *cfg, struct err *err)
{
	*n = (struct nursery){.zygote = PROCESS_NONE, .seed = seed, .cfg = *cfg};
	n->cfg.lock_memory = true;
	return start(n, err);
}

void nursery_done(struct nursery *n)
{
	if (n->zygote.pid && process_kill(&n->zygote) == 0)
		process_wait(&n->zygote);
	process_done(&n->zygote);
}

/* Waits for one answer. Its value, or -errno. */
static int hear(struct nursery *n, struct err *err)
{
	struct pollfd p = {.fd = n->zygote.fd, .events = POLLIN};
	struct zygote_answer a;
	ssize_t got;
	int ret;

	do
		ret = poll(&p, 1, PATIENCE_MS);
	while (ret < 0 && errno == EINTR);
	got = ret == 1 ? recv(n->zygote.fd, &a, sizeof(a), MSG_DONTWAIT) : -1;
	if (got != (ssize_t)sizeof(a) || !memchr(a.err.message, '\0', sizeof(a.err.message)))
		return err_set(err, ERR_SYSTEM, EPIPE,
			       "the process that forks the handshake processes has ended");
	if (a.ret < 0) {
		err_set(err, ERR_SYSTEM, EIO, "%s", a.err.message);
		return -EIO;
	}
	return a.ret;
}

static int ask(struct nursery *n, const struct worker_config *cfg, int channel)
{
	struct zygote_request request = {.worker = *cfg};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {&request, sizeof(request)};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &channel, sizeof(int));
	return sendmsg(n->zygote.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int try_once(struct nursery *n, const struct worker_config *cfg, struct process *ret_process,
		    struct err *err)
{
	_cleanup_fd_ int ours = -1, theirs = -1;
	int ret;

	if (!n->ready) {
		ret = hear(n, err);
		if (ret < 0)
			return ret;
		n->ready = true;
	}
	ret = process_channel(&ours, &theirs);
	if (ret == 0)
		ret = ask(n, cfg, theirs);
	if (ret < 0)
		return err_errno(err, ERR_SYSTEM, -ret, "cannot start a helper process");
	ret = hear(n, err);
	if (ret >= 0)
		ret = process_adopt(ret_process, ret, TAKE_FD(ours));
	/* Of the copies of the zygote, which is protected, only relays stay protected. */
	if (ret == 0 && !cfg->relay)
		oom_be_ordinary(ret_process->pid);
	if (ret == -ECHILD || ret == -ESRCH)
		return err_set(err, ERR_SYSTEM, ECHILD,
			       "a helper process was not started by nbd-attach");
	return ret;
}

int nursery_worker(struct nursery *n, const struct worker_config *cfg, struct process *ret_process,
		   struct err *err)
{
	int ret = try_once(n, cfg, ret_process, err);

	if (ret == 0)
		return 0;
	log_warning("%s: starting another one, which may have to read from the disk", err->message);
	nursery_done(n);
	ret = start(n, err);
	return ret == 0 ? try_once(n, cfg, ret_process, err) : ret;
}
