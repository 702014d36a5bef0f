/* SPDX-License-Identifier: MIT */
/*
 * A small event loop: descriptors, timers, and a helper thread for work that may block. One loop,
 * one thread; callbacks run from loop_run() and may add or remove any source, themselves included.
 * Times are monotonic milliseconds.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct loop_io;
struct loop_timer;

typedef void loop_io_fn(int fd, uint32_t events, void *arg);
typedef void loop_timer_fn(void *arg);

/* NULL: no memory or descriptors (errno). */
struct loop *loop_new(void);
void loop_free(struct loop *loop); /* accepts NULL; sources must be gone */

/* Runs until loop_stop(); returns the value given to it, or -errno if polling fails. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int value);

/* Called when loop_run() begins, and after each callback. NULL: nothing is called. */
void loop_after_each(struct loop *loop, loop_timer_fn *fn, void *arg);

uint64_t loop_now(void);

/* Watches fd (borrowed) for EPOLL* events, level-triggered. NULL: errno. */
struct loop_io *loop_io_new(struct loop *loop, int fd, uint32_t events, loop_io_fn *fn, void *arg);
void loop_io_free(struct loop_io *io); /* accepts NULL; before fd is closed */

/*
 * After an accept(2) that failed with this errno the connection stays in the queue, for want of a
 * descriptor or memory, and the loop would call again at once: watch it again after a pause.
 */
bool loop_must_pause(int error);

/* A timer, not armed yet. NULL: no memory. */
struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn *fn, void *arg);
void loop_timer_set(struct loop_timer *t, uint64_t delay_ms); /* once; again from now if armed */
void loop_timer_cancel(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* accepts NULL */

#endif
