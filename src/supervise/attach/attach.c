/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/sysfs.h"
#include "runtime/rundir.h"
#include "runtime/lock.h"

/* blk-mq's default, which the driver also goes back to. */
#define IO_TIMEOUT_DEFAULT_MS 30000
/*
 * With one connection and no request timeout, the driver resends a request that was in flight when
 * its connection died when this time has passed since it was last looked at; so long a reconnect
 * is not complete. It also logs a line for each such request each time.
 */
#define IO_TIMEOUT_MS 1000

uint64_t supervisor_kernel_dead_timeout(const struct supervisor_config *cfg)
{
	/* The driver multiplies it by HZ without a look at the result: 68 years are safe on 64
	 * bits, 24 days on 32. */
	const uint64_t most = sizeof(long) == 8 ? INT32_MAX : INT32_MAX / 1000;

	if (!cfg->reconnect)
		return 0;
	return cfg->dead_timeout_s < most ? cfg->dead_timeout_s : most;
}

uint32_t supervisor_io_timeout(const struct supervisor_config *cfg, unsigned connections)
{
	if (cfg->timeout)
		return (uint32_t)cfg->timeout * 1000;
	return connections == 1 ? IO_TIMEOUT_MS : IO_TIMEOUT_DEFAULT_MS;
}

static void fail(struct supervisor *s, const struct err *err)
{
	bool again = err->kind == ERR_RETRY && loop_now() < s->wait_end;

	if (again && !s->waiting_said)
		log_notice("%s (trying again)", err->message);
	s->waiting_said = again;
	supervisor_post(s, again ? FSM_DIAL_RETRY : FSM_GIVE_UP, err);
}

int supervisor_take_identifier(struct supervisor *s, struct err *err)
{
	struct rundir_path path = rundir_identifier(s->at.identifier);
	char what[256];
	struct text t;

	/* Two clients may read one export; two that write it corrupt each other's file system. */
	if (s->at.identifier_lock >= 0 || s->at.plan.flags & NBD_TX_READ_ONLY)
		return 0;
	text_init(&t, what, sizeof(what));
	text_quote(&t, s->at.identifier, strlen(s->at.identifier), 200);
	return lock_take(path.text, what, &s->at.identifier_lock, err);
}

static int make_plan(struct supervisor *s, struct err *err)
{
	struct plan_wish wish = {
	    .read_only = s->cfg.read_only,
	    .block_size = s->cfg.block_size,
	    .connections = s->cfg.connections,
	    .kernel_block = sysfs_kernel_block_max(),
	};
	int ret = plan_make(dialler_export(s->dialler), &wish, &s->at.plan, err);

	if (ret < 0)
		return ret;
	if (s->at.plan.cut)
		log_warning(
		    "the export's size is not a multiple of the block size %u: its last %llu "
		    "bytes cannot be reached",
		    s->at.plan.block_size, (unsigned long long)s->at.plan.cut);
	if (s->at.plan.connections < s->cfg.connections)
		log_warning("the server does not promise that several connections see the same "
			    "data: using 1, not %u",
			    s->cfg.connections);
	ret = reconnect_check(s->reconnect, err);
	return ret < 0 ? ret : supervisor_take_identifier(s, err);
}

void supervisor_dialled(int ret, const struct err *err, void *arg)
{
	struct supervisor *s = arg;
	struct err why;

	if (ret < 0) {
		why = *err;
		if (s->captive)
			captive_explain(s->captive, &why);
		fail(s, &why);
	} else if (s->state == FSM_JOINING) {
		supervisor_post(s, FSM_JOINED, NULL);
	} else if (supervisor_open_kernel(s, &why) < 0 || make_plan(s, &why) < 0) {
		fail(s, &why);
	} else {
		supervisor_post(s, FSM_DIALLED, NULL);
	}
}

int supervisor_open_up(struct supervisor *s, struct err *err)
{
	s->at.mark = sysfs_mark(s->at.index);
	if (s->at.mark < 0)
		return err_errno(err, ERR_FAILED, -s->at.mark, "/dev/nbd%d disappeared again",
				 s->at.index);
	return control_new(s->env.loop, s->at.index, supervisor_asked, s, &s->control, err);
}

static int open_up(struct supervisor *s, struct err *err)
{
	bool local = s->cfg.endpoint->type == ENDPOINT_UNIX;
	int ret;

	/* Before the report, from which a later supervisor learns whose server it must be. */
	reconnect_set_owner(s->reconnect, local ? dialler_unix_uid(s->dialler) : (uid_t)-1);
	ret = supervisor_fill_report(s, err);
	address_describe(dialler_peer(s->dialler), s->at.server, sizeof(s->at.server));
	serving_note_tls(&s->serving, &s->at, reconnect_endpoint(s->reconnect),
			 dialler_tls(s->dialler), dialler_relay(s->dialler));
	if (ret == 0)
		ret = supervisor_open_up(s, err);
	if (ret == 0 && links_watch(s->links) < 0)
		ret = err_set(err, ERR_SYSTEM, ENOMEM, "cannot watch the connections");
	return ret;
}

static void configured(void *arg)
{
	struct supervisor *s = arg;

	s->at.device_lock = s->configure.lock_fd;
	if (s->configure.ret == 0) {
		s->at.index = s->configure.index;
		if (s->configure.remark.message[0])
			log_warning("/dev/nbd%d: %s", s->at.index, s->configure.remark.message);
		s->configure.ret = open_up(s, &s->configure.err);
		if (s->configure.ret < 0) /* fresh and unused: this cannot block */
			kernel_detach(s->env.kernel, s->at.index, NULL);
	}
	if (s->configure.ret < 0) {
		links_clear(s->links);
		if (queue_has_deferred(&s->queue, FSM_TERMINATE))
			s->wait_end = 0;
		fail(s, &s->configure.err);
		return;
	}
	supervisor_post(s, FSM_CONFIGURED, NULL);
}

/* A table_fn. */
static void table_read(int ret, const struct err *err, void *arg)
{
	struct supervisor *s = arg;

	table_free(TAKE_PTR(s->table));
	if (ret == -ETIMEDOUT)
		log_warning("/dev/nbd%d: its partition table is not read yet, because %s: its "
			    "partitions appear as soon as that is over",
			    s->at.index, err->message);
	else if (ret < 0)
		log_info("/dev/nbd%d: its partition table was not read: %s", s->at.index,
			 err->message);
	supervisor_ready(s);
}

void supervisor_read_table(struct supervisor *s)
{
	uint64_t max_part = 1;

	sysfs_module_parameter("max_part", &max_part);
	if (max_part)
		s->table = table_new(s->env.loop, s->at.index, table_read, s);
	if (!s->table)
		supervisor_ready(s);
}

static void work(void *arg)
{
	struct supervisor *s = arg;

	configure_work(&s->configure);
}

void supervisor_configure(struct supervisor *s, const struct event *e)
{
	struct kernel_attach *a = &s->configure.attach;
	int fd;

	(void)e;
	while ((fd = dialler_take(s->dialler)) >= 0) {
		if (links_add(s->links, fd) < 0)
			close(fd);
	}
	*a = (struct kernel_attach){
	    .index = s->cfg.index,
	    .size = s->at.plan.size,
	    .block_size = s->at.plan.block_size,
	    .server_flags = s->at.plan.flags,
	    .timeout = s->cfg.timeout,
	    .dead_timeout = supervisor_kernel_dead_timeout(&s->cfg),
	    .identifier = s->at.identifier,
	};
	a->fds = links_fds(s->links, &a->n_fds);
	s->configure.kernel = s->env.kernel;
	s->configure.max_payload = dialler_export(s->dialler)->max_block;
	s->configure.io_timeout = supervisor_io_timeout(&s->cfg, (unsigned)a->n_fds);
	s->configure.lock_fd = s->at.device_lock;
	offload_run(s->env.offload, work, configured, s);
}
