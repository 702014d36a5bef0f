/* SPDX-License-Identifier: MIT */
#include "transport/helpers.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "transport/nursery.h"
#include "transport/sockopts.h"
#include "worker/helper-main.h"
#include "worker/worker.h"

#define RELAY_END_MS 3000 /* how long a relay without a device may take to end */
#define RELAYS_MAX   64	  /* that run at a time: four times the connections of a device */

struct helpers {
	struct loop *loop;
	struct sandbox *sandbox;
	struct process_seed seed;
	struct nursery nursery; /* in use with cfg.zygote */
	struct helpers_config cfg;
	struct worker_config worker_cfg;
	struct tls_files *tls_files;
	struct helper *spares; /* not handed out */
	struct helper *dying;  /* killed, not reaped */
	struct helper *gone;   /* let go, not reaped */
};

static void put_into(struct helper **list, struct helper *helper)
{
	helper->next = *list;
	helper->link = list;
	if (helper->next)
		helper->next->link = &helper->next;
	*list = helper;
}

static void take_out(struct helper *helper)
{
	if (!helper->link)
		return;
	*helper->link = helper->next;
	if (helper->next)
		helper->next->link = helper->link;
	helper->link = NULL;
}

int helpers_new(struct loop *loop, const struct helpers_config *cfg, struct helpers **ret_helpers,
		struct err *err)
{
	struct helpers *h = calloc(1, sizeof(*h));
	int ret;

	if (!h)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory");
	h->seed = PROCESS_SEED_NONE;
	h->nursery.zygote = PROCESS_NONE;
	ret = sandbox_new(&h->sandbox, err);
	if (ret == 0)
		ret = process_seed_open(&h->seed, err);
	if (ret < 0) {
		helpers_free(h);
		return ret;
	}
	h->loop = loop;
	h->cfg = *cfg;
	h->worker_cfg = (struct worker_config){
	    .sandbox = *h->sandbox,
	    .lock_memory = cfg->lock_memory,
	    .tls = cfg->tls,
	    .relay = cfg->relay,
	};
	if (!h->cfg.worker)
		h->cfg.worker = HELPER_WORKER;
	if (!h->cfg.resolver)
		h->cfg.resolver = HELPER_RESOLVER;
	if (cfg->zygote) {
		ret = nursery_init(&h->nursery, &h->seed, &h->worker_cfg, err);
		if (ret < 0) {
			helpers_free(h);
			return ret;
		}
	}
	if (cfg->tls) {
		h->tls_files = tls_files_new(loop, h, cfg->tls);
		if (!h->tls_files) {
			helpers_free(h);
			return err_set(err, ERR_SYSTEM, ENOMEM, "no memory");
		}
	}
	*ret_helpers = h;
	return 0;
}

void helpers_set(struct helpers *h, size_t spares, bool lock_memory)
{
	h->cfg.spares = spares;
	h->worker_cfg.lock_memory = lock_memory;
}

static void reaped(struct helper *helper)
{
	take_out(helper);
	loop_io_free(helper->io);
	process_done(&helper->process);
	sockopts_close(helper->sock);
	free(helper);
}

static void on_end(int fd, uint32_t events, void *arg)
{
	struct helper *helper = arg;
	struct process_end end = {.exited = false};

	(void)fd;
	(void)events;
	if (!process_reap(&helper->process, &end))
		return;
	relays_ended(helper->owner->cfg.relays, helper->relay, &end);
	reaped(helper);
}

/* One that cannot be killed sees its socket close; only its reaping is left to init. */
static void end_now(struct helper *helper)
{
	if (process_kill(&helper->process) == 0)
		process_wait(&helper->process);
	reaped(helper);
}

void helpers_free(struct helpers *h)
{
	if (!h)
		return;
	tls_files_free(h->tls_files);
	while (h->spares)
		end_now(h->spares);
	while (h->dying)
		end_now(h->dying);
	while (h->gone)
		reaped(h->gone);
	nursery_done(&h->nursery);
	sandbox_free(h->sandbox);
	process_seed_close(&h->seed);
	free(h);
}

void helpers_end_relays(struct helpers *h)
{
	uint64_t until = loop_now() + RELAY_END_MS, now;

	while (h && h->gone) {
		struct helper *helper = h->gone;
		struct pollfd p = {.fd = helper->process.pidfd, .events = POLLIN};

		now = loop_now();
		if (poll(&p, 1, now < until ? (int)(until - now) : 0) < 0 && errno == EINTR)
			continue;
		if (!p.revents)
			log_warning("a relay (process %d) goes on without its device: killed",
				    helper->process.pid);
		end_now(helper);
	}
}

void helper_release_with(struct helper *helper, int sock)
{
	if (!helper) {
		sockopts_close(sock);
		return;
	}
	helper->sock = sock;
	take_out(helper);
	loop_io_free(helper->io);
	helper->io = NULL;
	process_kill(&helper->process);
	if (process_reap(&helper->process, NULL)) {
		reaped(helper);
		return;
	}
	close_fdp(&helper->process.fd);
	helper->process.fd = -1;
	put_into(&helper->owner->dying, helper);
	/* Without memory for this it is reaped by helpers_free() at the latest. */
	helper->io =
	    loop_io_new(helper->owner->loop, helper->process.pidfd, EPOLLIN, on_end, helper);
}

void helper_release(struct helper *helper)
{
	helper_release_with(helper, -1);
}

void helper_let_go(struct helper *helper)
{
	take_out(helper);
	loop_io_free(helper->io);
	close_fdp(&helper->process.fd);
	helper->process.fd = -1;
	put_into(&helper->owner->gone, helper);
	helper->io =
	    loop_io_new(helper->owner->loop, helper->process.pidfd, EPOLLIN, on_end, helper);
}

void helpers_set_relay(struct helpers *h)
{
	h->cfg.relay = true;
	h->worker_cfg.relay = true;
}

bool helpers_relay(const struct helpers *h)
{
	return h->cfg.relay;
}

struct relays *helpers_relays(const struct helpers *h)
{
	return h->cfg.relays;
}

/*
 * A relay ends with its connection, but one that a server has taken over need not, and the OOM
 * killer does not see it: they must not add up, however often the device reconnects.
 */
static int check_relays(const struct helpers *h, struct err *err)
{
	size_t n = 0;

	for (const struct helper *helper = h->gone; helper; helper = helper->next)
		n++;
	if (n < RELAYS_MAX)
		return 0;
	return err_set(err, ERR_RETRY, EAGAIN,
		       "%d relays of earlier connections have not ended: no other is started until "
		       "some have; the server may have taken control of them, so end the processes "
		       "nbd-relay that have no device",
		       RELAYS_MAX);
}

/* job NULL: a worker, from the zygote. */
static int start_helper(struct helpers *h, const struct process_job *job,
			struct helper **ret_helper, struct err *err)
{
	struct helper *helper = calloc(1, sizeof(*helper));
	int ret;

	if (!helper)
		return err_set(err, ERR_SYSTEM, ENOMEM, "no memory");
	helper->owner = h;
	helper->process = PROCESS_NONE;
	helper->sock = -1;
	if (job)
		ret = process_start(&helper->process, &h->seed, job, err);
	else
		ret = nursery_worker(&h->nursery, &h->worker_cfg, &helper->process, err);
	if (ret < 0) {
		free(helper);
		return ret;
	}
	helper->process.uid = sandbox_uid(h->sandbox);
	*ret_helper = helper;
	return 0;
}

int helpers_start(struct helpers *h, const struct process_job *job, struct helper **ret_helper,
		  struct err *err)
{
	return start_helper(h, job, ret_helper, err);
}

int helpers_resolve(struct helpers *h, const struct resolve_job *job, struct helper **ret_helper,
		    struct err *err)
{
	const struct process_job start = {
	    .kind = h->cfg.resolver,
	    .name = "nbd-resolve",
	    .setup = job,
	    .len = sizeof(*job),
	};

	return helpers_start(h, &start, ret_helper, err);
}

/* A spare says that it is ready, or why not, or ends. */
static void on_spare(int fd, uint32_t events, void *arg)
{
	struct helper *helper = arg;
	struct worker_answer answer;
	struct err err;
	int ret = worker_receive(fd, &answer, sizeof(answer));

	(void)events;
	if (ret == -EAGAIN)
		return;
	if (ret == 1 && worker_answer_check(&answer, NEGO_GOAL_GO, &err) == 0) {
		if (answer.type == WORKER_READY && !helper->ready) {
			helper->ready = true;
			return;
		}
		if (answer.type == WORKER_FAILED)
			log_warning("a spare handshake process failed: %s", answer.err.message);
	} else {
		log_warning("a spare handshake process ended before it was needed");
	}
	helper_release(helper);
}

static int start_worker(struct helpers *h, struct helper **ret_helper, struct err *err)
{
	const struct process_job job = {
	    .kind = h->cfg.worker,
	    .name = "nbd-handshake",
	    .setup = &h->worker_cfg,
	    .len = sizeof(h->worker_cfg),
	    .protected = h->worker_cfg.relay,
	};

	return start_helper(h, h->cfg.zygote ? NULL : &job, ret_helper, err);
}

int helpers_fill(struct helpers *h, struct err *err)
{
	struct helper *helper = NULL;
	int ret;

	for (size_t n = helpers_spares(h); n < h->cfg.spares; n++) {
		ret = start_worker(h, &helper, err);
		if (ret < 0)
			return ret;
		assert(helper);
		helper->io = loop_io_new(h->loop, helper->process.fd, EPOLLIN, on_spare, helper);
		if (!helper->io) {
			ret = -errno;
			helper_release(helper);
			return err_errno(err, ERR_SYSTEM, -ret, "cannot watch a helper process");
		}
		put_into(&h->spares, helper);
	}
	return 0;
}

size_t helpers_spares(const struct helpers *h)
{
	size_t n = 0;

	for (const struct helper *helper = h->spares; helper; helper = helper->next)
		n++;
	return n;
}

size_t helpers_missing(const struct helpers *h)
{
	size_t n = helpers_spares(h);

	return n < h->cfg.spares ? h->cfg.spares - n : 0;
}

size_t helpers_ready(const struct helpers *h)
{
	size_t n = 0;

	for (const struct helper *helper = h->spares; helper; helper = helper->next)
		n += helper->ready;
	return n;
}

int helpers_take(struct helpers *h, struct helper **ret_helper, struct err *err)
{
	struct helper *helper = h->spares;

	if (h->cfg.relay) {
		int ret = check_relays(h, err);

		if (ret < 0)
			return ret;
	}
	while (helper && !helper->ready && helper->next)
		helper = helper->next;
	if (!helper)
		return start_worker(h, ret_helper, err);
	take_out(helper);
	loop_io_free(helper->io);
	helper->io = NULL;
	*ret_helper = helper;
	return 0;
}

const struct sandbox *helpers_sandbox(const struct helpers *h)
{
	return h->sandbox;
}

struct tls_files *helpers_tls_files(const struct helpers *h)
{
	return h->tls_files;
}
