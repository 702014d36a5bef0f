/* SPDX-License-Identifier: MIT */
#include "tests/herd/world.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/loop.h"
#include "transport/attempt.h"

#define RESEND_US                                                                      \
	1000000 /* the kernel sends a SYN again after that time, then after twice that \
		 */

struct event {
	uint64_t at, number; /* in the order of their numbers at the same time */
	world_fn *fn;
	void *arg;
};

/* Events, and the server's queue, may refer to an attempt that its client has freed. */
struct attempt {
	attempt_done_fn *done; /* NULL: the client has freed it, or has its answer */
	void *arg;
	unsigned refs;
	unsigned sent; /* SYNs */
	bool connected;
};

struct loop_timer {
	loop_timer_fn *fn;
	void *arg;
	uint64_t due; /* us; 0: not armed */
	unsigned refs;
	bool freed;
};

static struct {
	struct world_config cfg;
	uint64_t now, number, random;
	struct event *heap;
	size_t n, size;
	struct attempt **queue; /* of the server: a ring */
	unsigned head, waiting;
	bool busy;
	struct world_counts *counts;
	unsigned steps;
} world;

/* --- time ------------------------------------------------------------------------------------- */

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void *must(void *p)
{
	if (!p)
		err(1, "memory");
	return p;
}

void world_at(uint64_t us, world_fn *fn, void *arg)
{
	const struct event e = {.at = us, .number = world.number++, .fn = fn, .arg = arg};
	size_t i = world.n++;

	if (world.n > world.size) {
		world.size = world.size ? 2 * world.size : 1 << 16;
		world.heap = must(realloc(world.heap, world.size * sizeof(e)));
	}
	for (; i > 0 && earlier(&e, &world.heap[(i - 1) / 2]); i = (i - 1) / 2)
		world.heap[i] = world.heap[(i - 1) / 2];
	world.heap[i] = e;
}

static struct event pop(void)
{
	const struct event first = world.heap[0], last = world.heap[--world.n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < world.n) {
		if (child + 1 < world.n && earlier(&world.heap[child + 1], &world.heap[child]))
			child++;
		if (!earlier(&world.heap[child], &last))
			break;
		world.heap[i] = world.heap[child];
		i = child;
	}
	world.heap[i] = last;
	return first;
}

static void after(uint64_t us, world_fn *fn, void *arg)
{
	world_at(world.now + us, fn, arg);
}

uint64_t world_now_us(void)
{
	return world.now;
}

static struct world_counts *count(void)
{
	uint64_t step = world.now / WORLD_STEP_US;

	return &world.counts[step < world.steps ? step : world.steps - 1];
}

const struct world_counts *world_counts(unsigned *ret_steps)
{
	*ret_steps = world.steps;
	return world.counts;
}

void world_start(const struct world_config *cfg)
{
	memset(&world, 0, sizeof(world));
	world.cfg = *cfg;
	world.random = cfg->seed;
	world.now = 1; /* 0 means "never" to some */
	world.queue = must(calloc(cfg->backlog, sizeof(*world.queue)));
	world.steps = (unsigned)(cfg->limit_us / WORLD_STEP_US) + 1;
	world.counts = must(calloc(world.steps, sizeof(*world.counts)));
}

void world_stop(void)
{
	free(world.heap);
	free(world.queue);
	free(world.counts);
}

void world_run(bool (*done)(void))
{
	while (world.n > 0 && !done()) {
		const struct event e = pop();

		if (e.at > world.cfg.limit_us)
			break;
		world.now = e.at;
		e.fn(e.arg);
	}
}

/* splitmix64 */
uint32_t world_random(void)
{
	uint64_t z = world.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ (z >> 31)) >> 32);
}

ssize_t getrandom(void *buf, size_t size, unsigned flags)
{
	const uint32_t bits = world_random();

	(void)flags;
	memcpy(buf, &bits, size < sizeof(bits) ? size : sizeof(bits));
	return (ssize_t)size;
}

/* --- the loop --------------------------------------------------------------------------------- */

uint64_t loop_now(void)
{
	return world.now / 1000;
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn *fn, void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	(void)loop;
	if (t)
		*t = (struct loop_timer){.fn = fn, .arg = arg};
	return t;
}

static void timer_unref(struct loop_timer *t)
{
	if (t->freed && t->refs == 0)
		free(t);
}

static void timer_due(void *arg)
{
	struct loop_timer *t = arg;
	const bool due = t->due && t->due == world.now;

	t->refs--;
	if (due) {
		t->due = 0;
		t->fn(t->arg);
	}
	timer_unref(t);
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_ms)
{
	t->due = world.now + delay_ms * 1000;
	t->refs++;
	world_at(t->due, timer_due, t);
}

void loop_timer_cancel(struct loop_timer *t)
{
	t->due = 0;
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	t->due = 0;
	t->freed = true;
	timer_unref(t);
}

/* --- connections ------------------------------------------------------------------------------ */

static void unref(struct attempt *a)
{
	if (--a->refs == 0)
		free(a);
}

static void answer(struct attempt *a, int ret)
{
	struct attempt_result result = {.fd = -1};
	struct err err = {.kind = ERR_RETRY};
	attempt_done_fn *done = a->done;

	if (!done)
		return;
	a->done = NULL;
	done(a, ret, ret < 0 ? NULL : &result, ret < 0 ? &err : NULL, a->arg);
}

static void greeted(void *arg)
{
	answer(arg, 0);
	unref(arg);
}

static void late(void *arg)
{
	answer(arg, -ETIMEDOUT);
	unref(arg);
}

static void refused(void *arg)
{
	answer(arg, -ECONNREFUSED);
	unref(arg);
}

static void accept_next(void *arg);

static void serve(void)
{
	if (world.busy || world.waiting == 0)
		return;
	world.busy = true;
	after(1000000 / world.cfg.rate, accept_next, NULL);
}

/* A connection whose client has given up takes the server the time of any other. */
static void accept_next(void *arg)
{
	struct attempt *a = world.queue[world.head];

	(void)arg;
	world.head = (world.head + 1) % world.cfg.backlog;
	world.waiting--;
	world.busy = false;
	count()->accepted++;
	if (a->done) {
		after(world.cfg.greet_us, greeted, a);
	} else {
		count()->wasted++;
		unref(a);
	}
	serve();
}

static void arrives(void *arg);

static void send_again(struct attempt *a)
{
	after((uint64_t)RESEND_US << a->sent++, arrives, a);
}

/* A SYN reaches the server's host. */
static void arrives(void *arg)
{
	struct attempt *a = arg;
	const bool away = world.now < world.cfg.outage_us;

	if (!a->done) {
		unref(a);
		return;
	}
	if (away && world.cfg.away != AWAY_PROCESS) {
		send_again(a);
		return;
	}
	count()->arrived++;
	if (away) {
		after(world.cfg.latency_us / 2, refused, a);
	} else if (world.waiting == world.cfg.backlog) {
		send_again(a);
	} else {
		a->connected = true;
		world.queue[(world.head + world.waiting++) % world.cfg.backlog] = a;
		serve();
	}
}

int attempt_new(struct loop *loop, const struct attempt_config *cfg, attempt_done_fn *done,
		attempt_listed_fn *listed, void *arg, struct attempt **ret_attempt, struct err *err)
{
	struct attempt *a = must(calloc(1, sizeof(*a)));

	(void)loop, (void)listed, (void)err;
	*a = (struct attempt){.done = done, .arg = arg, .refs = 3};
	after(world.cfg.latency_us / 2, arrives, a);
	after((uint64_t)cfg->timeout_ms * 1000, late, a);
	*ret_attempt = a;
	return 0;
}

bool attempt_connected(const struct attempt *a)
{
	return a->connected;
}

bool attempt_waits_for_keys(const struct attempt *a)
{
	(void)a;
	return false;
}

void attempt_free(struct attempt *a)
{
	if (!a)
		return;
	a->done = NULL;
	unref(a);
}

/* Clients say nothing. */
void log_line(int priority, const char *format, ...)
{
	(void)priority, (void)format;
}
