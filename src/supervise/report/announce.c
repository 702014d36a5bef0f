/* SPDX-License-Identifier: MIT */
#include "supervise/report/announce.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
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
#define LOOK_MS	    100	 /* between two looks at a command whose end nothing announces */
#define AGAIN_MS    1000 /* before the next try to start a process */

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
	pid_t pid; /* of the command; 0: none runs */
	int pidfd; /* -1: none runs, or its end has to be looked for */
	struct loop_io *io;
	struct loop_timer *timer; /* until the next look, or the next try */
	bool said;		  /* the last try has failed, and that was logged */
};

static void look(void *arg);

struct announce *announce_new(struct loop *loop, const char *command)
{
	struct announce *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	*a = (struct announce){.loop = loop, .command = command, .pidfd = -1};
	a->timer = loop_timer_new(loop, look, a);
	if (a->timer)
		return a;
	free(a);
	return NULL;
}

void announce_free(struct announce *a)
{
	if (!a)
		return;
	loop_timer_free(a->timer);
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

	if (waitpid(a->pid, &status, WNOHANG) != a->pid) {
		if (!a->io)
			loop_timer_set(a->timer, LOOK_MS);
		return;
	}
	if (status)
		log_warning("--on-change: the command ended with status %d",
			    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	loop_io_free(TAKE_PTR(a->io));
	close_fdp(&a->pidfd);
	a->pidfd = -1;
	a->pid = 0;
	next(a);
}

static void look(void *arg)
{
	struct announce *a = arg;

	if (a->pid)
		reap(a);
	else
		next(a);
}

static void ended(int fd, uint32_t events, void *arg)
{
	(void)fd;
	(void)events;
	reap(arg);
}

/* Watches its end. Without a descriptor for it, looks for that from time to time. */
static void watch(struct announce *a)
{
	a->pidfd = (int)syscall(SYS_pidfd_open, a->pid, 0);
	if (a->pidfd >= 0)
		a->io = loop_io_new(a->loop, a->pidfd, EPOLLIN, ended, a);
	if (!a->io)
		loop_timer_set(a->timer, LOOK_MS);
}

static void next(struct announce *a)
{
	struct err err;

	if (a->pid || a->n == 0)
		return;
	if (child_check(&err) < 0) {
		log_warning("--on-change: %s", err.message);
		a->n = 0;
		return;
	}
	a->pid = fork();
	if (a->pid == 0)
		run(a->command, &a->waiting[0]);
	if (a->pid < 0) {
		log_line(a->said ? LOG_DEBUG : LOG_WARNING,
			 "--on-change: cannot run the command (trying again): %s", strerror(errno));
		a->said = true;
		a->pid = 0;
		loop_timer_set(a->timer, AGAIN_MS);
		return;
	}
	a->said = false;
	a->n--;
	memmove(a->waiting, a->waiting + 1, a->n * sizeof(a->waiting[0]));
	watch(a);
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
	uint64_t now = loop_now(), end = now + limit_ms, left;
	struct pollfd p;

	for (; a && (a->pid || a->n) && now < end; now = loop_now()) {
		p = (struct pollfd){.fd = a->pidfd, .events = POLLIN};
		left = end - now;
		poll(&p, 1, (int)(a->pidfd < 0 && left > LOOK_MS ? LOOK_MS : left));
		look(a);
	}
}
