/* SPDX-License-Identifier: MIT */
#include "supervise/attach/attach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"
#include "supervise/attach/configure.h"
#include "supervise/attach/dialler.h"
#include "supervise/attach/table.h"

#define RETRY_PAUSE_MS 500

struct attach {
	const struct part_env *env;
	struct attach_config cfg;
	const struct attach_events *events;
	void *arg;
	struct dialler *dialler;
	struct loop_timer *pause;
	struct configure configure;
	struct table *table; /* the partition table is being read */
	uint64_t wait_end;   /* monotonic ms; until then another attempt may be made */
	bool joining;	     /* the dialler makes the further connections */
	bool waiting_said;   /* the log line about a long wait was written */
};

static void fail(struct attach *a, const struct err *err)
{
	bool again = err->kind == ERR_RETRY && loop_now() < a->wait_end;

	if (again && !a->waiting_said)
		log_notice("%s (trying again)", err->message);
	a->waiting_said = again;
	if (again)
		a->events->again(err, a->arg);
	else
		a->events->failed(err, a->arg);
}

static int make_plan(struct attach *a, struct err *err)
{
	struct plan_wish wish = {
	    .read_only = a->cfg.read_only,
	    .without = a->cfg.without,
	    .block_size = a->cfg.block_size,
	    .connections = a->cfg.connections,
	    .kernel_block = sysfs_kernel_block_max(),
	};
	int ret = plan_make(dialler_export(a->dialler), &wish, &a->cfg.at->plan, err);

	if (ret < 0)
		return ret;
	if (a->cfg.at->plan.cut)
		log_warning(
		    "the export's size is not a multiple of the block size %u: its last %llu "
		    "bytes cannot be reached",
		    a->cfg.at->plan.block_size, (unsigned long long)a->cfg.at->plan.cut);
	if (a->cfg.at->plan.connections < a->cfg.connections)
		log_warning("the server does not promise that several connections see the same "
			    "data: using 1, not %u",
			    a->cfg.connections);
	a->cfg.at->known = *dialler_export(a->dialler);
	attachment_name(&a->cfg.at->known, a->cfg.at->name);
	ret = a->events->planned(err, a->arg);
	return ret < 0 ? ret : attachment_lock_identifier(a->cfg.at, err);
}

static void dialled(int ret, const struct err *err, void *arg)
{
	struct attach *a = arg;
	struct err why;

	if (ret < 0) {
		why = *err;
		a->events->explain(&why, a->arg);
		fail(a, &why);
	} else if (a->joining) {
		a->events->joined(a->arg);
	} else if (a->events->open_kernel(&why, a->arg) < 0 || make_plan(a, &why) < 0) {
		fail(a, &why);
	} else {
		a->events->dialled(a->arg);
	}
}

/* Fresh and unused, the device can be detached at once. */
static int open_up(struct attach *a, struct err *err)
{
	struct attachment *at = a->cfg.at;
	int ret;

	address_describe(dialler_peer(a->dialler), at->server, sizeof(at->server));
	ret = attachment_open_mark(at, err);
	if (ret == 0)
		ret = a->events->opened(err, a->arg);
	if (ret == 0 && links_watch(a->cfg.links) < 0)
		ret = err_set(err, ERR_SYSTEM, ENOMEM, "cannot watch the connections");
	if (ret < 0) {
		tune_undo(at->index);
		kernel_detach(a->env->kernel, at->index, NULL);
		close_fdp(&at->mark);
	}
	return ret;
}

static void configured(void *arg)
{
	struct attach *a = arg;
	struct configure *c = &a->configure;
	struct attachment *at = a->cfg.at;

	at->device_lock = c->lock_fd;
	if (c->ret == 0) {
		at->index = c->index;
		if (c->remark.message[0])
			log_warning("/dev/nbd%d: %s", at->index, c->remark.message);
		c->ret = open_up(a, &c->err);
	}
	if (c->ret == 0) {
		a->events->configured(a->arg);
		return;
	}
	links_clear(a->cfg.links);
	fail(a, &c->err);
}

/* A table_fn. */
static void table_read(int ret, const struct err *err, void *arg)
{
	struct attach *a = arg;

	table_free(TAKE_PTR(a->table));
	if (ret == -ETIMEDOUT)
		log_warning("/dev/nbd%d: its partition table is not read yet, because %s: its "
			    "partitions appear as soon as that is over",
			    a->env->at->index, err->message);
	else if (ret < 0)
		log_info("/dev/nbd%d: its partition table was not read: %s", a->env->at->index,
			 err->message);
	a->events->ready(a->arg);
}

void attach_read_table(struct attach *a)
{
	uint64_t max_part = 1;

	sysfs_module_parameter("max_part", &max_part);
	if (!max_part && !a->cfg.no_scan)
		log_notice(
		    "/dev/nbd%d: the nbd module is loaded with max_part=0, so the device can "
		    "have no partitions: `rmmod nbd; modprobe nbd max_part=15` changes that",
		    a->env->at->index);
	if (max_part && !a->cfg.no_scan)
		a->table = table_new(a->env->loop, a->env->at->index, a->env->at->resent_ms,
				     table_read, a);
	if (!a->table)
		a->events->ready(a->arg);
}

static void work(void *arg)
{
	configure_work(&((struct attach *)arg)->configure);
}

void attach_configure(struct attach *a, uint64_t dead_timeout)
{
	const struct attachment *at = a->env->at;
	struct configure *c = &a->configure;
	int fd;

	while ((fd = dialler_take(a->dialler)) >= 0) {
		if (links_add(a->cfg.links, fd) < 0)
			close(fd);
	}
	c->attach = (struct kernel_attach){
	    .index = a->cfg.index,
	    .size = at->plan.size,
	    .block_size = at->plan.block_size,
	    .server_flags = at->plan.flags,
	    .timeout = a->cfg.timeout,
	    .dead_timeout = dead_timeout,
	    .identifier = at->identifier,
	};
	c->attach.fds = links_fds(a->cfg.links, &c->attach.n_fds);
	c->kernel = a->env->kernel;
	c->max_payload = dialler_export(a->dialler)->max_block;
	c->io_timeout = c->attach.n_fds == 1 ? a->cfg.io_timeout : a->cfg.io_timeout_several;
	c->lock_fd = at->device_lock;
	c->no_scan = a->cfg.no_scan;
	a->events->begins(a->arg);
	offload_run(a->env->offload, work, configured, a);
}

void attach_dial(struct attach *a)
{
	a->joining = false;
	dialler_first(a->dialler);
}

void attach_pause(struct attach *a)
{
	loop_timer_set(a->pause, RETRY_PAUSE_MS);
}

void attach_join(struct attach *a)
{
	a->joining = true;
	dialler_join(a->dialler, a->env->at->plan.connections);
}

void attach_stop_waiting(struct attach *a)
{
	a->wait_end = 0;
}

bool attach_facts(const struct attach *a, struct attach_facts *ret_facts)
{
	const struct dialler *d = a->dialler;

	if (!d)
		return false;
	*ret_facts = (struct attach_facts){
	    .peer = dialler_peer(d),
	    .addresses = dialler_addresses(d),
	    .tls = dialler_tls(d),
	    .sample = dialler_sample(d),
	    .ids = dialler_ids(d),
	    .unix_uid = a->cfg.endpoint->type == ENDPOINT_UNIX ? dialler_unix_uid(d) : (uid_t)-1,
	    .relay = dialler_relay(d),
	};
	return true;
}

static void pause_over(void *arg)
{
	struct attach *a = arg;

	a->events->due(a->arg);
}

struct attach *attach_new(const struct part_env *env, const struct attach_config *cfg,
			  const struct attach_events *events, void *arg)
{
	const struct dialler_config dial = {
	    .sample = cfg->sample,
	    .endpoint = cfg->endpoint,
	    .source = cfg->source,
	    .peer_uid = cfg->peer_uid,
	    .helpers = cfg->helpers,
	    .timeout_ms = cfg->connect_timeout_ms,
	    .peer_timeout_ms = cfg->peer_timeout_ms,
	};
	struct attach *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	*a = (struct attach){.env = env, .cfg = *cfg, .events = events, .arg = arg};
	a->wait_end = cfg->wait_ms == ATTACH_FOREVER ? UINT64_MAX
		      : cfg->wait_ms		     ? loop_now() + cfg->wait_ms
						     : 0;
	a->pause = loop_timer_new(env->loop, pause_over, a);
	a->dialler = dialler_new(env->loop, &dial, dialled, a);
	if (a->pause && a->dialler)
		return a;
	attach_free(a);
	return NULL;
}

void attach_forget(struct attach *a)
{
	dialler_free(TAKE_PTR(a->dialler));
}

void attach_stop(struct attach *a)
{
	if (!a)
		return;
	table_free(TAKE_PTR(a->table));
	attach_forget(a);
}

void attach_free(struct attach *a)
{
	if (!a)
		return;
	attach_stop(a);
	loop_timer_free(a->pause);
	free(a);
}
