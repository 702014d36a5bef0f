/* SPDX-License-Identifier: MIT */
#include "supervise/report/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/log.h"
#include "kernel/sysfs.h"
#include "runtime/outage-mark.h"
#include "runtime/state.h"
#include "supervise/report/announce.h"
#include "supervise/report/manager.h"
#include "supervise/report/udev.h"

struct report {
	const struct part_env *env;
	struct report_config cfg;
	const struct report_events *events;
	void *arg;
	struct state state;
	struct outage_mark *mark;  /* NULL: there is none, or not yet */
	struct manager *manager;   /* NULL: none */
	struct announce *announce; /* NULL: no --on-change */
	struct udev *udev;
	char kept[ERR_MESSAGE_MAX]; /* report_kept(); "": not called */
	struct digest serving;	    /* of the server in use, as the state file has it */
	bool wrote;		    /* the state file, so that `serving` is known */
	int cannot_write;	    /* the state file, and that was logged: -errno */
	bool usable;		    /* the partitions exist, as far as possible */
	bool udev_told;		    /* udev has made the names, or is not waited for */
	bool ready;		    /* both, and all who wait for the device were told */
};

static void tell_ready(struct report *r)
{
	if (r->ready || !r->udev_told || !r->usable)
		return;
	r->ready = true;
	r->events->ready(r->arg);
	manager_ready(r->manager);
}

static void told(void *arg)
{
	struct report *r = arg;

	r->udev_told = true;
	tell_ready(r);
}

int report_new(const struct part_env *env, const struct report_config *cfg,
	       const struct report_events *events, void *arg, struct report **ret_report,
	       struct err *err)
{
	static const struct udev_events udev_events = {.told = told};
	const struct udev_config udev = {
	    .name = cfg->name, .swap = cfg->swap, .no_scan = cfg->no_scan};
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	r->env = env;
	r->cfg = *cfg;
	r->events = events;
	r->arg = arg;
	if (cfg->service)
		r->manager = manager_new(env->loop);
	if (cfg->on_change)
		r->announce = announce_new(env->loop, cfg->on_change);
	r->udev = udev_new(env, &udev, cfg->service, &udev_events, r);
	if (r->udev && (r->announce || !cfg->on_change)) {
		*ret_report = r;
		return 0;
	}
	report_free(r);
	return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
}

void report_end(struct report *r, unsigned limit_ms)
{
	if (!r)
		return;
	manager_free(TAKE_PTR(r->manager));
	announce_flush(r->announce, limit_ms);
	announce_free(TAKE_PTR(r->announce));
}

void report_free(struct report *r)
{
	if (!r)
		return;
	manager_free(r->manager);
	announce_free(r->announce);
	udev_free(r->udev);
	outage_mark_free(r->mark);
	free(r);
}

static void open_mark(struct report *r)
{
	const int index = r->env->at->index;

	r->mark = outage_mark_new(index);
	if (!r->mark)
		log_warning(
		    "/dev/nbd%d: cannot make a file for outages: %s: if this process dies in "
		    "an outage, the next one does not know what to wait for",
		    index, strerror(errno));
}

int report_open(struct report *r, const struct endpoint *e, bool reconnects, struct err *err)
{
	const struct attachment *at = r->env->at;
	_cleanup_free_ char *uri = endpoint_uri(e);
	struct state *t = &r->state;

	if (!uri)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	/* Field by field: the struct is large, and this touches only the pages that are needed. */
	t->index = at->index;
	t->pid = getpid();
	t->attachment = sysfs_attachment(at->index);
	t->block_size = at->plan.block_size;
	t->max_request = nbd_export_payload(&at->known);
	t->read_only = attachment_is_read_only(at);
	t->flags = at->plan.flags;
	t->flush = attachment_flushes(at);
	t->dead_timeout = !reconnects ? 0
			  : r->cfg.dead_timeout_s == REPORT_FOREVER
			      ? -1
			      : (int64_t)r->cfg.dead_timeout_s;
	snprintf(t->uri, sizeof(t->uri), "%s", uri);
	snprintf(t->export_name, sizeof(t->export_name), "%s", at->name);
	snprintf(t->identifier, sizeof(t->identifier), "%s", at->identifier);
	snprintf(t->stable_name, sizeof(t->stable_name), "%s", r->cfg.name ? r->cfg.name : "");
	snprintf(t->config, sizeof(t->config), "%s", r->cfg.config ? r->cfg.config : "");
	snprintf(t->options, sizeof(t->options), "%s", r->cfg.options ? r->cfg.options : "");
	snprintf(t->backend, sizeof(t->backend), "%s", r->env->kernel->ops->name);
	if (!r->mark)
		open_mark(r);
	return 0;
}

static struct digest serving_digest(const struct report *r)
{
	struct digest d;

	digest_init(&d);
	digest_add(&d, r->state.serving, strlen(r->state.serving));
	return d;
}

static void set_mark(struct report *r)
{
	const struct digest serving = serving_digest(r);
	const struct state *t = &r->state;
	const struct outage outage = {
	    .attachment = t->attachment,
	    .now = t->outage_since != 0,
	    .since_ms = t->outage_began_ms,
	    .held = t->outage_held,
	    .unsettled = t->unsettled,
	    .unproved = t->unproved,
	    .moved = !r->wrote || !digest_equal(&serving, &r->serving),
	};

	if (r->mark)
		outage_mark_set(r->mark, &outage);
}

int report_write(struct report *r, enum fsm_state state)
{
	const char *name = fsm_state_name(state);
	struct state *t = &r->state;
	int ret;

	/* Until report_open() the file is that of an earlier supervisor. */
	if (r->env->at->index < 0 || !t->uri[0])
		return 0;
	if (strcmp(t->name, name) != 0) {
		t->since = time(NULL);
		history_add(t->history, t->since, name);
	}
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->size = r->env->at->plan.size;
	snprintf(t->address, sizeof(t->address), "%s", r->env->at->server);
	r->events->fill(t, r->arg);
	/* --swap: writing a file, even of a file system in memory, takes new memory. */
	if (r->cfg.swap && t->outage_since) {
		set_mark(r);
		return 0;
	}
	ret = state_write(t);
	if (ret < 0 && ret != r->cannot_write)
		log_warning(
		    "/dev/nbd%d: cannot write the state file: %s: until it can, `nbd-attach "
		    "-s` shows an earlier state",
		    t->index, strerror(-ret));
	r->cannot_write = ret;
	if (ret == 0)
		r->serving = serving_digest(r);
	r->wrote = r->wrote || ret == 0;
	set_mark(r); /* afterwards: until here that of an earlier supervisor may count */
	return ret;
}

bool report_is_stale(const struct report *r)
{
	return r->cannot_write != 0;
}

void report_tell(struct report *r, enum fsm_state state, const char *cause, int64_t fails_at)
{
	const struct state *t = &r->state;
	struct manager_status status = {
	    .state = state,
	    .since = t->since,
	    .address = r->env->at->server,
	    .reason = state == FSM_ATTACHED ? "" : t->error,
	    .kept = r->kept[0] ? r->kept : NULL,
	    .next_try = t->next_try,
	    .fails_at = fails_at,
	    .index = r->env->at->index,
	};

	if (!r->manager)
		return;
	if (!status.reason[0] && (state == FSM_LOST || state == FSM_DEGRADED))
		status.reason = cause;
	manager_status(r->manager, &status);
}

void report_change(struct report *r, enum fsm_state from, enum fsm_state to, const char *reason,
		   uint64_t outage_ms)
{
	const struct announce_change change = {
	    .index = r->env->at->index,
	    .from = fsm_state_name(from),
	    .to = fsm_state_name(to),
	    .address = r->env->at->server,
	    .reason = reason,
	    .name = r->cfg.name ? r->cfg.name : "",
	    .outage_ms = outage_ms,
	};

	if (r->announce && r->env->at->index >= 0)
		announce_change(r->announce, &change);
}

void report_keep(struct report *r, const int *fds, size_t n)
{
	manager_keep(r->manager, fds, n, r->env->at->index < 0 ? 0 : r->state.attachment);
}

void report_found(struct report *r, const char *name, int fd)
{
	manager_found(r->manager, name, fd);
}

bool report_name(const struct report *r, int fd, struct linkname *ret_name)
{
	return manager_name(r->manager, fd, ret_name);
}

bool report_has_manager(const struct report *r)
{
	return r->manager != NULL;
}

bool report_succeeded(struct report *r, pid_t pid)
{
	return manager_succeeded(r->manager, pid);
}

void report_usable(struct report *r)
{
	r->usable = true;
	tell_ready(r);
}

bool report_is_ready(const struct report *r)
{
	return r->ready;
}

void report_lost(struct report *r, bool lost)
{
	udev_tell(r->udev, lost);
}

void report_kept(struct report *r, const char *why)
{
	snprintf(r->kept, sizeof(r->kept), "%s", why);
}

void report_stopping(struct report *r)
{
	manager_stopping(r->manager);
}
