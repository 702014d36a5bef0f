/* SPDX-License-Identifier: MIT */
#include "supervise/reconnect/idle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "kernel/claim.h"
#include "kernel/sysfs.h"
#include "worker/helper-main.h"
#include "worker/look.h"

#define LIMIT_MS 10000 /* for the process */
#define PAUSE_MS 5000  /* from the end of one process to the start of the next */

#define NEVER UINT64_MAX

struct idle {
	const struct part_env *env;
	const struct sandbox *sandbox;
	idle_fn *fn;
	void *arg;
	struct process_seed seed;
	struct process process;
	struct loop_io *answer, *end;
	struct loop_timer *limit;
	uint64_t known;	 /* sectors written when they were read; NEVER: they are not known */
	uint64_t seen;	 /* sectors written at the last look */
	uint64_t before; /* sectors written when the process was started */
	uint64_t next;	 /* monotonic ms: no process before */
	bool blind;	 /* no node is visible here */
};

static void over(void *arg)
{
	process_kill(&((struct idle *)arg)->process);
}

int idle_new(const struct part_env *env, const struct sandbox *sandbox, idle_fn *fn, void *arg,
	     struct idle **ret_idle, struct err *err)
{
	struct idle *i = calloc(1, sizeof(*i));
	int ret;

	if (!i)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	*i = (struct idle){.env = env,
			   .sandbox = sandbox,
			   .fn = fn,
			   .arg = arg,
			   .seed = PROCESS_SEED_NONE,
			   .process = PROCESS_NONE,
			   .known = NEVER,
			   .seen = NEVER};
	i->limit = loop_timer_new(env->loop, over, i);
	ret = i->limit ? process_seed_open(&i->seed, err)
		       : err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	if (ret < 0)
		idle_free(i);
	else
		*ret_idle = i;
	return ret;
}

static void forget(struct idle *i)
{
	loop_timer_cancel(i->limit);
	loop_io_free(TAKE_PTR(i->answer));
	loop_io_free(TAKE_PTR(i->end));
	process_done(&i->process);
	i->next = loop_now() + PAUSE_MS;
}

void idle_free(struct idle *i)
{
	if (!i)
		return;
	idle_stop(i);
	if (i->limit)
		forget(i);
	loop_timer_free(i->limit);
	process_seed_close(&i->seed);
	free(i);
}

/* False: the sectors written are not known, as no request is counted. */
static bool look(const struct idle *i, struct sysfs_progress *ret_progress)
{
	return sysfs_progress(i->env->at->index, ret_progress) == 0 && ret_progress->counted;
}

void idle_know(struct idle *i)
{
	struct sysfs_progress now;

	if (i)
		i->known = look(i, &now) ? now.written : NEVER;
}

void idle_doubt(struct idle *i)
{
	if (i)
		i->known = NEVER;
}

static void take_answer(struct idle *i)
{
	struct sysfs_progress now;
	struct ids ids;
	int ret = look_receive(i->process.fd, &ids);

	if (ret == -EAGAIN)
		return;
	loop_io_free(TAKE_PTR(i->answer));
	if (ret == -ENOENT) {
		i->blind = true;
		log_warning(
		    "/dev/nbd%d: its node is not visible here, so the identifiers of "
		    "--same-content are not read again: if they were changed, as mkfs does, "
		    "detach the device and attach it again",
		    i->env->at->index);
		return;
	}
	if (ret < 0) {
		log_info("/dev/nbd%d: its identifiers could not be read: %s", i->env->at->index,
			 strerror(-ret));
		return;
	}
	if (!look(i, &now) || !sysfs_is_idle(&now) || now.written != i->before)
		return;
	i->known = now.written;
	i->fn(&ids, i->arg);
}

static void answered(int fd, uint32_t events, void *arg)
{
	(void)fd;
	(void)events;
	take_answer(arg);
}

static void ended(int fd, uint32_t events, void *arg)
{
	struct idle *i = arg;

	(void)fd;
	(void)events;
	if (!process_reap(&i->process, NULL))
		return;
	/* The loop may tell of the end first. */
	if (i->answer)
		take_answer(i);
	forget(i);
}

static int start(struct idle *i, uint64_t size, struct err *err)
{
	struct look_job job = {
	    .sandbox = *i->sandbox, .size = size, .block_size = i->env->at->plan.block_size};
	const struct process_job start = {
	    .kind = HELPER_LOOK, .name = CLAIM_LOOKS, .setup = &job, .len = sizeof(job)};
	int ret;

	look_set_node(&job, i->env->at->index);
	ret = process_start(&i->process, &i->seed, &start, err);
	if (ret < 0)
		return ret;
	i->process.uid = i->sandbox->change_identity ? i->sandbox->uid : (uid_t)-1;
	i->answer = loop_io_new(i->env->loop, i->process.fd, EPOLLIN, answered, i);
	i->end = loop_io_new(i->env->loop, i->process.pidfd, EPOLLIN, ended, i);
	loop_timer_set(i->limit, LIMIT_MS);
	if (i->answer && i->end)
		return 0;
	process_kill(&i->process);
	forget(i);
	return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
}

bool idle_look(struct idle *i, uint64_t size)
{
	struct sysfs_progress now;
	struct err err;
	bool rested;

	if (!i || i->blind || !look(i, &now) || now.written == i->known)
		return false;
	rested = sysfs_is_idle(&now) && now.written == i->seen;
	i->seen = now.written;
	if (!rested || i->process.pid || loop_now() < i->next)
		return true;
	i->before = now.written;
	if (start(i, size, &err) < 0) {
		log_info("/dev/nbd%d: its identifiers could not be read: %s", i->env->at->index,
			 err.message);
		i->next = loop_now() + PAUSE_MS;
	}
	return true;
}

void idle_stop(struct idle *i)
{
	if (!i)
		return;
	loop_io_free(TAKE_PTR(i->answer));
	process_kill(&i->process);
	i->seen = NEVER;
}
