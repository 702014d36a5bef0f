/* SPDX-License-Identifier: MIT */
#include "transport/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker/worker.h"

struct lookup {
	struct loop *loop;
	const char *host;
	uint16_t port;
	lookup_done_fn *done;
	void *arg;
	struct helper *resolver;
	struct loop_io *io;
};

static int watch(struct lookup *l, int fd, loop_io_fn *fn, struct err *err)
{
	loop_io_free(l->io);
	l->io = loop_io_new(l->loop, fd, EPOLLIN, fn, l);
	if (!l->io)
		return err_errno(err, ERR_FAILED, errno, "cannot watch a helper process");
	return 0;
}

static void on_end(int fd, uint32_t events, void *arg)
{
	struct lookup *l = arg;
	struct process_end end;
	struct err err;

	(void)fd;
	(void)events;
	if (process_reap(&l->resolver->process, &end))
		l->done(worker_ended_err(&end, "resolver", &err), NULL, &err, l->arg);
}

static void on_answer(int fd, uint32_t events, void *arg)
{
	struct lookup *l = arg;
	struct resolve_answer answer;
	struct address_list list;
	struct err err;
	int ret = worker_receive(fd, &answer, sizeof(answer));

	(void)events;
	if (ret == -EAGAIN)
		return;
	if (ret == 0) {
		/* The way it ends says why. */
		ret = watch(l, l->resolver->process.pidfd, on_end, &err);
		if (ret < 0)
			l->done(ret, NULL, &err, l->arg);
		return;
	}
	if (ret < 0)
		answer = (struct resolve_answer){.ret = 1}; /* refused as invalid */
	ret = resolve_answer_check(&answer, l->host, l->port, &list, &err);
	l->done(ret, ret < 0 ? NULL : &list, &err, l->arg);
}

int lookup_new(struct loop *loop, struct helpers *helpers, const char *host, uint16_t port,
	       lookup_done_fn *done, void *arg, struct lookup **ret_lookup, struct err *err)
{
	struct resolve_job job = {.sandbox = *helpers_sandbox(helpers), .port = port};
	struct lookup *l;
	int ret;

	if (strlen(host) >= sizeof(job.host))
		return err_set(err, ERR_USAGE, ENAMETOOLONG, "the host name is too long");
	memcpy(job.host, host, strlen(host));
	l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory");
	*l = (struct lookup){.loop = loop, .host = host, .port = port, .done = done, .arg = arg};
	ret = helpers_resolve(helpers, &job, &l->resolver, err);
	if (ret == 0)
		ret = watch(l, l->resolver->process.fd, on_answer, err);
	if (ret < 0) {
		lookup_free(l);
		return ret;
	}
	*ret_lookup = l;
	return 0;
}

void lookup_free(struct lookup *l)
{
	if (!l)
		return;
	loop_io_free(l->io);
	helper_release(l->resolver);
	free(l);
}
