/* SPDX-License-Identifier: MIT */
#include "base/offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/libc.h"

/*
 * bytes: the thread's stack, all of which is locked in memory; reading sysfs and /proc needs
 * buffers of pages
 */
#define STACK_SIZE (size_t)131072

struct job {
	offload_fn *work, *done;
	void *arg;
};

struct offload {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool quit;     /* under lock, as the ring */
	size_t given;  /* jobs since the start; job i is ring[i % OFFLOAD_JOBS] */
	size_t worked; /* of these, finished by the thread */
	struct job ring[OFFLOAD_JOBS];
	int event_fd; /* readable when a job is finished */

	/* The loop's thread only. */
	struct loop_io *io;
	bool started;	 /* the thread */
	size_t reported; /* jobs whose done() was called */
};

/* Cannot fail: the counter is far below its limit. */
static void tell_finished(struct offload *o)
{
	uint64_t one = 1;

	(void)!write(o->event_fd, &one, sizeof(one));
}

static void *thread_main(void *arg)
{
	struct offload *o = arg;

	pthread_mutex_lock(&o->lock);
	while (!o->quit) {
		struct job job = o->ring[o->worked % OFFLOAD_JOBS];

		if (o->worked == o->given) {
			pthread_cond_wait(&o->wake, &o->lock);
			continue;
		}
		pthread_mutex_unlock(&o->lock);
		job.work(job.arg);
		pthread_mutex_lock(&o->lock);
		o->worked++;
		tell_finished(o);
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

static void finished(int fd, uint32_t events, void *arg)
{
	struct offload *o = arg;
	uint64_t count;

	(void)events;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	for (;;) {
		struct job job = {.done = NULL};

		pthread_mutex_lock(&o->lock);
		if (o->reported < o->worked)
			job = o->ring[o->reported++ % OFFLOAD_JOBS];
		pthread_mutex_unlock(&o->lock);
		if (!job.done)
			return;
		job.done(job.arg);
	}
}

struct offload *offload_new(struct loop *loop)
{
	struct offload *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->wake, NULL);
	o->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->event_fd < 0)
		goto out_free;
	o->io = loop_io_new(loop, o->event_fd, EPOLLIN, finished, o);
	if (o->io)
		return o;
	close(o->event_fd);
out_free:
	free(o);
	return NULL;
}

int offload_start(struct offload *o)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int ret;

	if (o->started)
		return 0;
	/* One heap for both threads: a second one has no room for an outage (base/protect). */
	mallopt(M_ARENA_MAX, 1);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	ret = pthread_create(&o->thread, &attr, thread_main, o);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	o->started = ret == 0;
	return -ret;
}

bool offload_is_idle(struct offload *o)
{
	bool idle;

	pthread_mutex_lock(&o->lock);
	idle = o->reported == o->given;
	pthread_mutex_unlock(&o->lock);
	return idle;
}

bool offload_free(struct offload *o)
{
	bool blocked;

	if (!o)
		return true;
	loop_io_free(o->io);
	pthread_mutex_lock(&o->lock);
	blocked = o->worked < o->given;
	o->quit = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	if (blocked) {
		pthread_detach(o->thread);
		return false;
	}
	if (o->started)
		pthread_join(o->thread, NULL);
	close(o->event_fd);
	pthread_cond_destroy(&o->wake);
	pthread_mutex_destroy(&o->lock);
	free(o);
	return true;
}

int offload_run(struct offload *o, offload_fn *work, offload_fn *done, void *arg)
{
	bool room;

	pthread_mutex_lock(&o->lock);
	room = o->given - o->reported < OFFLOAD_JOBS;
	if (room) {
		o->ring[o->given++ % OFFLOAD_JOBS] =
		    (struct job){.work = work, .done = done, .arg = arg};
		pthread_cond_signal(&o->wake);
	}
	pthread_mutex_unlock(&o->lock);
	/* Without the thread, only the loop's thread uses the counts. */
	if (room && !o->started) {
		work(arg);
		o->worked++;
		tell_finished(o);
	}
	return room ? 0 : -EBUSY;
}
