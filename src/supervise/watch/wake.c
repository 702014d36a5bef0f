/* SPDX-License-Identifier: MIT */
#include "supervise/watch/wake.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define SLEPT_MS 1000 /* a shorter sleep counts for nothing */

struct wake {
	wake_fn *fn;
	void *arg;
	struct loop_io *io;
	int fd;	       /* a timerfd that reports a change of the clock, and so a sleep */
	int64_t slept; /* ms, at the last check */
};

/* Only CLOCK_BOOTTIME includes the time of a sleep. */
static int64_t slept_ms(void)
{
	struct timespec boot, awake;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &awake);
	return (int64_t)(boot.tv_sec - awake.tv_sec) * 1000 +
	       (boot.tv_nsec - awake.tv_nsec) / 1000000;
}

static void arm(struct wake *w)
{
	/* The timer is never due: only its cancellation counts. */
	const struct itimerspec never = {.it_value.tv_sec =
					     sizeof(time_t) == 8 ? (time_t)9000000000 : INT32_MAX};

	w->slept = slept_ms();
	timerfd_settime(w->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void woke(int fd, uint32_t events, void *arg)
{
	struct wake *w = arg;
	int64_t ms = slept_ms() - w->slept;
	uint64_t expirations;

	(void)events;
	/* ECANCELED: the clock was set, which also happens after a sleep (timerfd_create(2)). */
	(void)!read(fd, &expirations, sizeof(expirations));
	arm(w);
	if (ms >= SLEPT_MS)
		w->fn((uint64_t)ms, w->arg);
}

struct wake *wake_new(struct loop *loop, wake_fn *fn, void *arg)
{
	struct wake *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct wake){.fn = fn, .arg = arg};
	w->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->fd >= 0)
		w->io = loop_io_new(loop, w->fd, EPOLLIN, woke, w);
	if (w->io) {
		arm(w);
		return w;
	}
	close_fdp(&w->fd);
	free(w);
	return NULL;
}

void wake_free(struct wake *w)
{
	if (!w)
		return;
	loop_io_free(w->io);
	close_fdp(&w->fd);
	free(w);
}
