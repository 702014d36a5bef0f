/* SPDX-License-Identifier: MIT */
#include "base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_ROUND 16

/*
 * A source that is freed while events are dispatched stays allocated until all of them are handled.
 */
struct loop_io {
	struct loop *loop;
	int fd;
	bool freed;
	loop_io_fn *fn;
	void *arg;
	struct loop_io *next; /* in loop->graveyard */
};

struct loop_timer {
	struct loop *loop;
	uint64_t due; /* 0: not armed */
	loop_timer_fn *fn;
	void *arg;
	struct loop_timer *next, **link;
};

struct loop {
	int epoll_fd;
	bool stopped;
	int value;
	struct loop_io *graveyard;
	struct loop_timer *timers;
	loop_timer_fn *after; /* each callback */
	void *after_arg;
};

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

static void bury(struct loop *loop)
{
	struct loop_io *io;

	while ((io = loop->graveyard)) {
		loop->graveyard = io->next;
		free(io);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	bury(loop);
	close(loop->epoll_fd);
	free(loop);
}

uint64_t loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Milliseconds until the nearest timer, for epoll_wait(); -1 when none is armed. */
static int next_timeout(const struct loop *loop)
{
	uint64_t now = loop_now(), nearest = UINT64_MAX;

	for (const struct loop_timer *t = loop->timers; t; t = t->next)
		if (t->due && t->due < nearest)
			nearest = t->due;
	if (nearest == UINT64_MAX)
		return -1;
	if (nearest <= now)
		return 0;
	return nearest - now > INT32_MAX ? INT32_MAX : (int)(nearest - now);
}

void loop_after_each(struct loop *loop, loop_timer_fn *fn, void *arg)
{
	loop->after = fn;
	loop->after_arg = arg;
}

static void after(struct loop *loop)
{
	if (loop->after)
		loop->after(loop->after_arg);
}

/* A callback may free any timer, so the search starts again after each. */
static void run_timers(struct loop *loop)
{
	uint64_t now = loop_now();
	struct loop_timer *t = loop->timers;

	while (t && !loop->stopped) {
		if (t->due && t->due <= now) {
			t->due = 0;
			t->fn(t->arg);
			after(loop);
			t = loop->timers;
		} else {
			t = t->next;
		}
	}
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[EVENTS_PER_ROUND];
	int n;

	loop->stopped = false;
	after(loop);
	while (!loop->stopped) {
		n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_ROUND, next_timeout(loop));
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n && !loop->stopped; i++) {
			struct loop_io *io = events[i].data.ptr;

			if (io->freed)
				continue;
			io->fn(io->fd, events[i].events, io->arg);
			after(loop);
		}
		bury(loop);
		if (!loop->stopped)
			run_timers(loop);
	}
	return loop->value;
}

void loop_stop(struct loop *loop, int value)
{
	loop->stopped = true;
	loop->value = value;
}

struct loop_io *loop_io_new(struct loop *loop, int fd, uint32_t events, loop_io_fn *fn, void *arg)
{
	struct loop_io *io = calloc(1, sizeof(*io));
	struct epoll_event ev = {.events = events, .data.ptr = io};

	if (!io)
		return NULL;
	*io = (struct loop_io){.loop = loop, .fd = fd, .fn = fn, .arg = arg};
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		free(io);
		return NULL;
	}
	return io;
}

void loop_io_free(struct loop_io *io)
{
	if (!io)
		return;
	epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->freed = true;
	io->next = io->loop->graveyard;
	io->loop->graveyard = io;
}

bool loop_must_pause(int error)
{
	return error != EAGAIN && error != EINTR && error != ECONNABORTED;
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn *fn, void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct loop_timer){.loop = loop, .fn = fn, .arg = arg, .next = loop->timers};
	t->link = &loop->timers;
	if (t->next)
		t->next->link = &t->next;
	loop->timers = t;
	return t;
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_ms)
{
	t->due = loop_now() + delay_ms;
}

void loop_timer_cancel(struct loop_timer *t)
{
	t->due = 0;
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	free(t);
}
