/* SPDX-License-Identifier: MIT */
#include "supervise/report/announce.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/child.h"

#define WAITING_MAX 16

struct change {
	int index;
	const char *from, *to, *name;
	uint64_t outage_ms;
	char address[256], reason[256];
};

struct announce {
	struct loop *loop;
	const char *command;
	struct change waiting[WAITING_MAX];
	size_t n;
	pid_t pid;
	int pidfd; /* -1: none runs */
	struct loop_io *io;
};

struct announce *announce_new(struct loop *loop, const char *command)
{
	struct announce *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	*a = (struct announce){.loop = loop, .command = command, .pidfd = -1};
	return a;
}

void announce_free(struct announce *a)
{
	if (!a)
		return;
	loop_io_free(a->io);
	close_fdp(&a->pidfd);
	free(a);
}

/* In the child: becomes the command. */
static _Noreturn void run(const char *command, const struct change *c)
{
	char device[32], outage[32];

	snprintf(device, sizeof(device), "/dev/nbd%d", c->index);
	setenv("NBD_DEVICE", device, 1);
	setenv("NBD_OLD_STATE", c->from, 1);
	setenv("NBD_STATE", c->to, 1);
	setenv("NBD_SERVER", c->address, 1);
	setenv("NBD_REASON", c->reason, 1);
	setenv("NBD_NAME", c->name, 1);
	snprintf(outage, sizeof(outage), "%" PRIu64, c->outage_ms);
	setenv("NBD_OUTAGE_MS", outage, 1);
	child_shell(command);
}

static void next(struct announce *a);

static void reap(struct announce *a)
{
	int status;

	if (waitpid(a->pid, &status, WNOHANG) != a->pid)
		return;
	if (status)
		log_warning("--on-change: the command ended with status %d",
			    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	loop_io_free(TAKE_PTR(a->io));
	close_fdp(&a->pidfd);
	a->pidfd = -1;
	next(a);
}

static void ended(int fd, uint32_t events, void *arg)
{
	(void)fd;
	(void)events;
	reap(arg);
}

static void next(struct announce *a)
{
	struct change c;
	struct err err;

	if (a->pidfd >= 0 || a->n == 0)
		return;
	if (child_check(&err) < 0) {
		log_warning("--on-change: %s", err.message);
		a->n = 0;
		return;
	}
	c = a->waiting[0];
	a->n--;
	memmove(a->waiting, a->waiting + 1, a->n * sizeof(a->waiting[0]));
	a->pid = fork();
	if (a->pid == 0)
		run(a->command, &c);
	if (a->pid > 0)
		a->pidfd = (int)syscall(SYS_pidfd_open, a->pid, 0);
	if (a->pidfd >= 0)
		a->io = loop_io_new(a->loop, a->pidfd, EPOLLIN, ended, a);
	if (!a->io) {
		log_warning("--on-change: cannot run the command: %s", strerror(errno));
		close_fdp(&a->pidfd);
		a->pidfd = -1;
	}
}

void announce_change(struct announce *a, const struct announce_change *change)
{
	struct change *c;

	if (a->n == WAITING_MAX) {
		a->n--;
		memmove(a->waiting, a->waiting + 1, a->n * sizeof(a->waiting[0]));
		log_info("--on-change: the command was still running at the next change of state, "
			 "which was skipped");
	}
	c = &a->waiting[a->n++];
	*c = (struct change){
	    .index = change->index,
	    .from = change->from,
	    .to = change->to,
	    .name = change->name,
	    .outage_ms = change->outage_ms,
	};
	snprintf(c->address, sizeof(c->address), "%s", change->address);
	snprintf(c->reason, sizeof(c->reason), "%s", change->reason);
	next(a);
}

void announce_flush(struct announce *a, unsigned limit_ms)
{
	uint64_t now = loop_now(), end = now + limit_ms;
	struct pollfd p;

	for (; a && a->pidfd >= 0 && now < end; now = loop_now()) {
		p = (struct pollfd){.fd = a->pidfd, .events = POLLIN};
		poll(&p, 1, (int)(end - now));
		reap(a);
	}
}
