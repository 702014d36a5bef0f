/* SPDX-License-Identifier: MIT */
#include "base/offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct offload {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool working; /* under lock: a job is given and not finished */
	bool quit;    /* under lock */
	offload_fn *work;
	int event_fd; /* counts finished jobs */

	/* The loop's thread only. */
	struct loop_io *io;
	bool busy;
	offload_fn *done;
	void *arg;
};

static void *thread_main(void *arg)
{
	struct offload *o = arg;
	uint64_t one = 1;

	pthread_mutex_lock(&o->lock);
	while (!o->quit) {
		if (!o->working) {
			pthread_cond_wait(&o->wake, &o->lock);
			continue;
		}
		pthread_mutex_unlock(&o->lock);
		o->work(o->arg);
		pthread_mutex_lock(&o->lock);
		o->working = false;
		/* Cannot fail: the counter is far below its limit. */
		(void)!write(o->event_fd, &one, sizeof(one));
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
	o->busy = false;
	o->done(o->arg);
}

struct offload *offload_new(struct loop *loop)
{
	struct offload *o = calloc(1, sizeof(*o));
	sigset_t all, old;
	int ret;

	if (!o)
		return NULL;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->wake, NULL);
	o->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->event_fd < 0)
		goto out_free;
	o->io = loop_io_new(loop, o->event_fd, EPOLLIN, finished, o);
	if (!o->io)
		goto out_close;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&o->thread, NULL, thread_main, o);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret == 0)
		return o;
	errno = ret;
	loop_io_free(o->io);
out_close:
	close(o->event_fd);
out_free:
	free(o);
	return NULL;
}

bool offload_free(struct offload *o)
{
	bool blocked;

	if (!o)
		return true;
	loop_io_free(o->io);
	pthread_mutex_lock(&o->lock);
	blocked = o->working;
	o->quit = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	if (blocked) {
		pthread_detach(o->thread);
		return false;
	}
	pthread_join(o->thread, NULL);
	close(o->event_fd);
	pthread_cond_destroy(&o->wake);
	pthread_mutex_destroy(&o->lock);
	free(o);
	return true;
}

int offload_run(struct offload *o, offload_fn *work, offload_fn *done, void *arg)
{
	if (o->busy)
		return -EBUSY;
	o->busy = true;
	o->done = done;
	o->arg = arg;
	pthread_mutex_lock(&o->lock);
	o->work = work;
	o->working = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	return 0;
}
