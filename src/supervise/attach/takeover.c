/* SPDX-License-Identifier: MIT */
#include "supervise/attach/takeover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/sysfs.h"
#include "runtime/linkname.h"
#include "runtime/rundir.h"
#include "supervise/attach/adopt.h"
#include "runtime/lock.h"

/*
 * Several devices may read an export, so another one's lock does not matter then; but no two have
 * one name.
 */
static bool may_pass_over(const struct own_wanted *wanted, enum own how, int index)
{
	struct sysfs_device device;

	return (!wanted->name || how == OWN_PERHAPS) &&
	       (wanted->read_only || (sysfs_device(index, &device) == 0 && device.read_only));
}

/* The first device that matches so well and whose lock is free. 0 or -errno with *err. */
static int take_first(struct attachment *at, const struct own_wanted *wanted, enum own how,
		      struct state *room, struct err *err)
{
	struct rundir_path path;
	char what[32];
	int ret;

	for (int i = 0; i < ATTACHMENT_AUTO_DEVICES; i++) {
		if (own_match(i, wanted, room) != how)
			continue;
		path = rundir_device(i, "lock");
		snprintf(what, sizeof(what), "/dev/nbd%d", i);
		ret = lock_take(path.text, what, &at->device_lock, err);
		if (ret == 0)
			at->index = i;
		if (ret == 0 || !may_pass_over(wanted, how, i))
			return ret;
	}
	return 0;
}

int takeover_find_own(struct attachment *at, const struct own_wanted *wanted, struct err *err)
{
	struct state *room = calloc(1, sizeof(*room));
	int ret;

	if (!room)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	ret = take_first(at, wanted, OWN_CERTAIN, room, err);
	if (ret == 0 && at->index < 0)
		ret = take_first(at, wanted, OWN_PERHAPS, room, err);
	for (int i = 0; i < ATTACHMENT_AUTO_DEVICES && ret == 0 && at->index < 0; i++)
		if (own_match(i, wanted, room) == OWN_NOT)
			ret = own_excludes(i, wanted, room, err);
	free(room);
	return ret;
}

struct takeover {
	const struct part_env *env;
	struct takeover_config cfg;
	const struct takeover_events *events;
	void *arg;
	struct adopt adopt;  /* the helper thread works on it */
	struct state *state; /* the former supervisor's state file, until the device is ours */
	struct loop_timer *limit;
	bool limited; /* the limit has begun, and does not begin anew */
	bool probing; /* the helper thread asks for dead connections */
	enum adopt_probe probe;
};

static void late(void *arg)
{
	struct takeover *t = arg;
	struct err err;

	err_set(
	    &err, ERR_FAILED, ETIMEDOUT,
	    "the kernel has not answered for %d s, so nothing was changed: see the kernel's log",
	    TAKEOVER_LIMIT_MS / 1000);
	t->events->late(&err, t->arg);
}

struct takeover *takeover_new(const struct part_env *env, const struct takeover_config *cfg,
			      const struct takeover_events *events, void *arg)
{
	struct takeover *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct takeover){.env = env, .cfg = *cfg, .events = events, .arg = arg};
	t->limit = loop_timer_new(env->loop, late, t);
	if (t->limit)
		return t;
	free(t);
	return NULL;
}

void takeover_free(struct takeover *t)
{
	if (!t)
		return;
	free(t->state);
	loop_timer_free(t->limit);
	free(t);
}

/* The former supervisor vouches for the sockets that it has handed over. */
static bool has_vouched(const struct given *given)
{
	struct linkname name;

	for (size_t i = 0; i < given->n; i++)
		if (given->item[i].certain && linkname_read(given->item[i].name, &name))
			return true;
	return false;
}

/* Enters the result of the job into the attachment and its connections. */
static void note(struct takeover *t)
{
	const struct adopt *a = &t->adopt;
	struct attachment *at = t->cfg.at;
	struct links *links = t->cfg.links;

	at->plan = a->plan;
	at->guessed = !a->counted;
	at->known.size = a->plan.size;
	at->known.flags = a->plan.flags;
	at->known.max_block = a->max_payload;
	if (a->known)
		snprintf(at->name, sizeof(at->name), "%s", a->state->export_name);
	adopt_links(a, t->cfg.given, links);
	links_probe_ends(links, a->probe == ADOPT_DEAD);
}

static int take(struct takeover *t, struct err *err)
{
	const struct adopt *a = &t->adopt;
	struct takeover_found found = {
	    .state = a->known ? a->state : NULL,
	    .address = a->state->address,
	    .fails_io = a->probe != ADOPT_ALIVE,
	};

	if (a->ret < 0) {
		*err = a->err;
		return a->ret;
	}
	if (a->rival >= 0)
		log_warning(
		    "/dev/nbd%d: its export is also attached for writing as /dev/nbd%d: two "
		    "devices that write to one export destroy its data: detach one of them",
		    t->env->at->index, a->rival);
	note(t);
	adopt_addresses(a, &found.addresses);
	return t->events->found(&found, err, t->arg);
}

static void adopted(void *arg)
{
	struct takeover *t = arg;
	struct err err;
	int ret = take(t, &err);

	loop_timer_cancel(t->limit);
	free(TAKE_PTR(t->state));
	if (ret < 0)
		t->events->failed(&err, t->arg);
	else
		t->events->adopted(t->arg);
}

static void work(void *arg)
{
	adopt_work(&((struct takeover *)arg)->adopt);
}

void takeover_start(struct takeover *t, uint64_t dead_timeout)
{
	struct attachment *at = t->cfg.at;
	struct err err;

	t->state = calloc(1, sizeof(*t->state));
	if (!t->state) {
		err_set(&err, ERR_SYSTEM, ENOMEM, "out of memory");
		t->events->failed(&err, t->arg);
		return;
	}
	t->adopt = (struct adopt){
	    .kernel = t->env->kernel,
	    .log = at->kmsg,
	    .index = at->index,
	    .identifier = at->identifier,
	    .dead_timeout = dead_timeout,
	    .connections = t->cfg.connections,
	    .times_out = t->cfg.times_out,
	    .vouched = has_vouched(t->cfg.given),
	    .state = t->state,
	};
	at->taken_over = true;
	links_probe_begins(t->cfg.links);
	offload_run(t->env->offload, work, adopted, t);
}

void takeover_limit(struct takeover *t)
{
	/* The state file is kept until the kernel has answered. */
	if (!t || !t->state || t->limited)
		return;
	t->limited = true;
	loop_timer_set(t->limit, TAKEOVER_LIMIT_MS);
}

static void probe_work(void *arg)
{
	struct takeover *t = arg;
	const struct attachment *at = t->env->at;

	t->probe = sysfs_mark_valid(at->mark)
		       ? adopt_probe(t->env->kernel, at->kmsg, at->index, at->identifier)
		       : ADOPT_UNKNOWN;
}

static void probed(void *arg)
{
	struct takeover *t = arg;

	t->probing = false;
	links_probe_ends(t->cfg.links, t->probe == ADOPT_DEAD);
}

void takeover_probe(struct takeover *t)
{
	if (!t || t->probing || links_blind(t->cfg.links) == 0 ||
	    offload_run(t->env->offload, probe_work, probed, t) < 0)
		return;
	t->probing = true;
	links_probe_begins(t->cfg.links);
}
