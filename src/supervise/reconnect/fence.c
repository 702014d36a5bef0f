/* SPDX-License-Identifier: MIT */
#include "supervise/reconnect/fence.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/child.h"

#define REAP_MS 100

struct fence {
	fence_fn *fn;
	void *arg;
	uint32_t timeout_ms;
	pid_t pid; /* 0: it has ended */
	int pidfd;
	struct loop_io *io;
	struct loop_timer *timer;
};

static _Noreturn void run(const struct fence_config *cfg)
{
	char device[32];

	snprintf(device, sizeof(device), "/dev/nbd%d", cfg->index);
	setenv("NBD_DEVICE", device, 1);
	setenv("NBD_FAILED_URI", cfg->failed_uri, 1);
	setenv("NBD_NEXT_URI", cfg->next_uri, 1);
	child_shell(cfg->command);
}

/*
 * Also before the child has made the group. Its end is waited for, or each one that is killed in a
 * long outage would stay as a zombie, which counts towards the unit's limit of tasks; a process
 * that cannot die yet is left to init.
 */
static void end(struct fence *f)
{
	struct pollfd p = {.fd = f->pidfd, .events = POLLIN};

	if (f->pid == 0)
		return;
	kill(-f->pid, SIGKILL);
	kill(f->pid, SIGKILL);
	poll(&p, 1, REAP_MS);
	waitpid(f->pid, NULL, WNOHANG);
	f->pid = 0;
}

void fence_free(struct fence *f)
{
	if (!f)
		return;
	loop_io_free(f->io);
	loop_timer_free(f->timer);
	end(f);
	close_fdp(&f->pidfd);
	free(f);
}

static void ended(int fd, uint32_t events, void *arg)
{
	struct fence *f = arg;
	struct err err;
	int status;

	(void)fd;
	(void)events;
	if (waitpid(f->pid, &status, WNOHANG) != f->pid)
		return;
	f->pid = 0;
	loop_io_free(TAKE_PTR(f->io));
	loop_timer_cancel(f->timer);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		f->fn(0, NULL, f->arg);
	else if (WIFEXITED(status))
		f->fn(err_set(&err, ERR_RETRY, EIO, "the --fence command ended with status %d",
			      WEXITSTATUS(status)),
		      &err, f->arg);
	else
		f->fn(err_set(&err, ERR_RETRY, EIO, "the --fence command was killed by signal %d",
			      WTERMSIG(status)),
		      &err, f->arg);
}

static void too_long(void *arg)
{
	struct fence *f = arg;
	struct err err;

	loop_io_free(TAKE_PTR(f->io));
	end(f);
	f->fn(err_set(&err, ERR_RETRY, ETIMEDOUT,
		      "the --fence command was killed, as it had not ended after %u s",
		      f->timeout_ms / 1000),
	      &err, f->arg);
}

int fence_new(struct loop *loop, const struct fence_config *cfg, fence_fn *fn, void *arg,
	      struct fence **ret_fence, struct err *err)
{
	struct fence *f = calloc(1, sizeof(*f));

	if (!f)
		return err_set(err, ERR_RETRY, ENOMEM, "out of memory");
	if (child_check(err) < 0) {
		free(f);
		return -EAGAIN;
	}
	*f = (struct fence){.fn = fn, .arg = arg, .timeout_ms = cfg->timeout_ms, .pidfd = -1};
	f->timer = loop_timer_new(loop, too_long, f);
	f->pid = f->timer ? fork() : -1;
	if (f->pid == 0)
		run(cfg);
	if (f->pid > 0)
		f->pidfd = (int)syscall(SYS_pidfd_open, f->pid, 0);
	else
		f->pid = 0;
	if (f->pidfd >= 0)
		f->io = loop_io_new(loop, f->pidfd, EPOLLIN, ended, f);
	if (!f->io) {
		err_errno(err, ERR_RETRY, errno, "cannot run the --fence command");
		fence_free(f);
		return -EAGAIN;
	}
	loop_timer_set(f->timer, cfg->timeout_ms);
	*ret_fence = f;
	return 0;
}
