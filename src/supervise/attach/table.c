/* SPDX-License-Identifier: MIT */
#include "supervise/attach/table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "kernel/claim.h"
#include "kernel/sysfs.h"

#define STALL_MS 10000 /* after this time without a completed request, reading is given up */
#define LIMIT_MS 30000 /* after this time, reading is given up in any case */
#define TICK_MS	 100

struct table {
	struct loop *loop;
	int index;
	uint32_t stall_ms;
	table_fn *fn;
	void *arg;
	struct claim claim;
	int ret; /* result of the start, with err; reported from the loop */
	struct err err;
	struct loop_io *io;
	struct loop_timer *tick;
	uint64_t began, since; /* monotonic ms: of reading, of the time without completions */
	uint64_t completed;    /* requests, at the last check */
};

static void stop(struct table *t)
{
	loop_timer_cancel(t->tick);
	loop_io_free(t->io);
	t->io = NULL;
	claim_release(&t->claim);
}

static void finish(struct table *t, int ret, const struct err *err)
{
	stop(t);
	t->fn(ret, err, t->arg);
}

static void ended(int fd, uint32_t events, void *arg)
{
	struct table *t = arg;
	struct err err = {.message = ""};
	int ret = claim_finish(&t->claim, &err);

	(void)fd;
	(void)events;
	finish(t, ret, &err);
}

static int begin(struct table *t)
{
	int ret = claim_look(t->index, &t->claim, &t->err);

	if (ret < 0)
		return ret;
	t->io = loop_io_new(t->loop, claim_ended_fd(&t->claim), EPOLLIN, ended, t);
	return t->io ? 0 : err_set(&t->err, ERR_SYSTEM, ENOMEM, "out of memory");
}

static void tick(void *arg)
{
	struct table *t = arg;
	struct sysfs_progress p = {.completed = 0};
	uint64_t now = loop_now();
	struct err err;

	if (t->ret < 0) {
		finish(t, t->ret, &t->err);
		return;
	}
	sysfs_progress(t->index, &p);
	if (p.completed != t->completed)
		t->since = now;
	t->completed = p.completed;
	if (now - t->since < t->stall_ms && now - t->began < LIMIT_MS) {
		loop_timer_set(t->tick, TICK_MS);
		return;
	}
	finish(t, err_set(&err, ERR_RETRY, ETIMEDOUT, "the server does not answer"), &err);
}

struct table *table_new(struct loop *loop, int index, uint32_t resent_ms, table_fn *fn, void *arg)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct table){
	    .loop = loop,
	    .index = index,
	    .stall_ms = resent_ms > STALL_MS ? resent_ms : STALL_MS,
	    .fn = fn,
	    .arg = arg,
	};
	claim_init(&t->claim);
	t->began = t->since = loop_now();
	t->tick = loop_timer_new(loop, tick, t);
	if (!t->tick) {
		free(TAKE_PTR(t));
		return NULL;
	}
	t->ret = begin(t);
	loop_timer_set(t->tick, t->ret < 0 ? 0 : TICK_MS);
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	stop(t);
	loop_timer_free(t->tick);
	free(t);
}
