/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel/sysfs.h"

int supervisor_fill_report(struct supervisor *s, struct err *err)
{
	struct state *r = &s->report;
	char *uri = endpoint_uri(s->cfg.endpoint);

	if (!uri)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	/* Field by field: the struct is large and its pages are not touched for nothing. */
	r->index = s->at.index;
	r->pid = getpid();
	r->attachment = sysfs_attachment(s->at.index);
	r->block_size = s->at.plan.block_size;
	r->read_only = s->at.plan.flags & NBD_TX_READ_ONLY;
	r->flags = s->at.plan.flags;
	r->flush = s->at.plan.flags & NBD_TX_SEND_FLUSH;
	s->serving.flushes = r->flush;
	r->dead_timeout = !s->cfg.reconnect ? 0
			  : s->cfg.dead_timeout_s == SUPERVISOR_FOREVER
			      ? -1
			      : (int64_t)s->cfg.dead_timeout_s;
	snprintf(r->uri, sizeof(r->uri), "%s", uri);
	snprintf(r->identifier, sizeof(r->identifier), "%s", s->at.identifier);
	snprintf(r->stable_name, sizeof(r->stable_name), "%s", s->cfg.name ? s->cfg.name : "");
	snprintf(r->config, sizeof(r->config), "%s", s->cfg.config ? s->cfg.config : "");
	snprintf(r->backend, sizeof(r->backend), "%s", s->env.kernel->ops->name);
	free(uri);
	return 0;
}

void supervisor_write_state(struct supervisor *s)
{
	const char *name = fsm_state_name(s->state);
	struct state *r = &s->report;
	int ret;

	/* --swap: writing a file, even of a file system in memory, takes new memory. */
	if (s->at.index < 0 || (s->cfg.swap && s->outage.since))
		return;
	if (strcmp(r->name, name) != 0)
		r->since = time(NULL);
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->size = s->at.plan.size;
	snprintf(r->address, sizeof(r->address), "%s", s->at.server);
	watch_report(s->watch, r);
	if (s->captive)
		captive_report(s->captive, r);
	outage_report(&s->outage, loop_now(), time(NULL), r);
	handover_report(s->handover, r);
	reconnect_report(s->reconnect, r);
	serving_report(&s->serving, r);
	ret = state_write(r);
	if (ret < 0)
		log_warning("cannot write the state file: %s", strerror(-ret));
}

void supervisor_manager_ready(struct supervisor *s)
{
	if (s->ready || !s->udev_told || !s->usable)
		return;
	s->ready = true;
	manager_ready(s->manager);
}

static void told(void *arg)
{
	struct supervisor *s = arg;

	s->udev_told = true;
	supervisor_manager_ready(s);
}

int supervisor_prepare_udev(struct supervisor *s, struct err *err)
{
	static const struct udev_events events = {.told = told};
	const struct udev_config cfg = {.name = s->cfg.name, .swap = s->cfg.swap};

	s->udev = udev_new(&s->env, &cfg, s->cfg.foreground, &events, s);
	return s->udev ? 0 : err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
}

void supervisor_tell_manager(struct supervisor *s)
{
	const struct outage *o = &s->outage;
	struct manager_status status = {
	    .state = s->state,
	    .since = s->report.since,
	    .address = s->at.server,
	    .reason = s->state == FSM_ATTACHED ? "" : s->report.error,
	    .next_try = s->report.next_try,
	    .index = s->at.index,
	};

	if (!s->manager)
		return;
	if (!status.reason[0] && (s->state == FSM_LOST || s->state == FSM_DEGRADED))
		status.reason = watch_cause(s->watch);
	if (o->since && s->cfg.dead_timeout_s != SUPERVISOR_FOREVER)
		status.fails_at = s->report.outage_since + (int64_t)s->cfg.dead_timeout_s;
	manager_status(s->manager, &status);
}
