/* SPDX-License-Identifier: MIT */
#include "transport/handshake.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

/*
 * Maximum number of listed exports, which bounds the caller's memory; real servers have far fewer.
 */
#define LISTED_MAX 65536

/* Messages taken from a worker before the loop's other sources get their turn. */
#define ANSWERS_PER_EVENT 32

struct handshake {
	struct loop *loop;
	struct helper *worker;
	struct loop_io *io;
	enum nego_goal goal;
	bool relay;			 /* the worker continues after the handshake */
	struct worker_expected expected; /* of the worker, now */
	handshake_done_fn *done;
	handshake_listed_fn *listed;
	void *arg;
	size_t n_listed;

	/* How it ended, kept until the process has ended too. */
	int ret;
	struct err err;
	struct worker_answer answer;
};

void handshake_free(struct handshake *h, int sock)
{
	if (h)
		loop_io_free(h->io);
	helper_release_with(h ? h->worker : NULL, sock);
	free(h);
}

static int watch(struct handshake *h, int fd, loop_io_fn *fn)
{
	loop_io_free(h->io);
	h->io = loop_io_new(h->loop, fd, EPOLLIN, fn, h);
	if (!h->io)
		return err_errno(&h->err, ERR_FAILED, errno, "cannot watch a helper process");
	return 0;
}

/* The callback may free h: nothing of it may be used afterwards. */
static void finish(struct handshake *h, int ret)
{
	const struct handshake_told told = {
	    .export = h->goal == NEGO_GOAL_LIST ? NULL : &h->answer.export,
	    .tls = &h->answer.tls,
	    .digest = h->answer.sampled ? &h->answer.digest : NULL,
	    .ids = h->answer.sampled ? &h->answer.ids : NULL,
	};
	struct err err = h->err;

	loop_io_free(h->io);
	h->io = NULL;
	if (ret < 0)
		h->done(ret, NULL, &err, h->arg);
	else
		h->done(0, &told, NULL, h->arg);
}

static void on_end(int fd, uint32_t events, void *arg)
{
	struct handshake *h = arg;
	struct process_end end;
	int ret = h->ret;

	(void)fd;
	(void)events;
	if (!process_reap(&h->worker->process, &end))
		return;
	/* A success counts only if no error followed it. */
	if (ret == 0 && (h->answer.type != WORKER_DONE || !end.exited || end.value != 0))
		ret = worker_ended_err(&end, "handshake", &h->err);
	finish(h, ret);
}

/* ret: how the handshake went, with h->err. The worker's end is next, however it comes. */
static void await_end(struct handshake *h, int ret)
{
	h->ret = ret;
	ret = watch(h, h->worker->process.pidfd, on_end);
	if (ret < 0)
		finish(h, ret);
}

/* One message of the worker's. False: there is none now, or it was the last. */
static bool take_answer(struct handshake *h)
{
	struct worker_answer *answer = &h->answer;
	int ret = worker_receive(h->worker->process.fd, answer, sizeof(*answer));

	if (ret == -EAGAIN)
		return false;
	if (ret == 0) {
		answer->type = 0; /* the way it ended says why */
		await_end(h, 0);
		return false;
	}
	if (ret != 1)
		answer->type = 0; /* refused below */
	ret = worker_answer_check(answer, h->goal, &h->err);
	if (ret == 0)
		ret = worker_answer_fits(answer, &h->expected, &h->err);
	if (ret == 0 && answer->type == WORKER_LISTED && ++h->n_listed > LISTED_MAX)
		ret = err_set(&h->err, ERR_PERMANENT, E2BIG,
			      "the server lists more than %d exports", LISTED_MAX);
	if (ret < 0) {
		process_kill(&h->worker->process);
		await_end(h, ret);
		return false;
	}
	switch ((enum worker_answer_type)answer->type) {
	case WORKER_READY:
		h->expected.ready = true;
		return true;
	case WORKER_LISTED:
		if (h->listed)
			h->listed(answer->export.name, answer->export.description, h->arg);
		return true;
	case WORKER_DONE:
		if (h->relay) {
			loop_io_free(TAKE_PTR(h->io));
			helper_let_go(TAKE_PTR(h->worker));
			finish(h, 0);
		} else {
			await_end(h, 0);
		}
		return false;
	case WORKER_FAILED:
		h->err = answer->err;
		await_end(h, answer->ret);
		return false;
	}
	return false;
}

static void on_message(int fd, uint32_t events, void *arg)
{
	struct handshake *h = arg;

	(void)fd;
	(void)events;
	for (int i = 0; i < ANSWERS_PER_EVENT && take_answer(h); i++)
		;
}

int handshake_new(struct loop *loop, struct helper *worker, const struct handshake_config *cfg,
		  struct handshake **ret_handshake, struct err *err)
{
	struct handshake *h = calloc(1, sizeof(*h));
	int ret;

	if (!h) {
		helper_release(worker);
		return err_set(err, ERR_FAILED, ENOMEM, "no memory");
	}
	*h = (struct handshake){
	    .loop = loop,
	    .worker = worker,
	    .goal = (enum nego_goal)cfg->job->goal,
	    .relay = cfg->job->relay,
	    .expected = {.ready = worker->ready,
			 .tls = cfg->job->tls.on,
			 .offload = cfg->job->tls.offload,
			 .relay = cfg->job->relay},
	    .done = cfg->done,
	    .listed = cfg->listed,
	    .arg = cfg->arg,
	};
	ret = worker_send_job(worker->process.fd, cfg->job, &cfg->fds);
	/* One that has ended left its reason, which is read from the loop. */
	if (ret == -EPIPE || ret == -ECONNRESET)
		ret = 0;
	else if (ret < 0)
		err_errno(&h->err, ERR_FAILED, -ret, "cannot pass the socket to a worker");
	if (ret == 0)
		ret = watch(h, worker->process.fd, on_message);
	if (ret < 0) {
		if (err)
			*err = h->err;
		handshake_free(h, -1);
		return ret;
	}
	*ret_handshake = h;
	return 0;
}
