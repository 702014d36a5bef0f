/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "runtime/rundir.h"
#include "supervise/attach/adopt.h"
#include "runtime/lock.h"

#define AUTO_DEVICES 256

/* Several devices may read an export, so another one's lock does not matter then. */
static bool may_pass_over(const struct supervisor *s, int index)
{
	struct sysfs_device device;

	return s->cfg.read_only || (sysfs_device(index, &device) == 0 && device.read_only);
}

int supervisor_find_own(struct supervisor *s, struct err *err)
{
	struct rundir_path path;
	char what[32];
	int ret;

	for (int i = 0; i < AUTO_DEVICES; i++) {
		if (!adopt_possible(i, s->at.identifier))
			continue;
		path = rundir_device(i, "lock");
		snprintf(what, sizeof(what), "/dev/nbd%d", i);
		ret = lock_take(path.text, what, &s->at.device_lock, err);
		if (ret == 0)
			s->at.index = i;
		if (ret == 0 || !may_pass_over(s, i))
			return ret;
	}
	return 0;
}

static void work(void *arg)
{
	adopt_work(((struct supervisor *)arg)->adopt);
}

/* While a connection lives, new ones may only go to the same server. */
static void prefer_living(struct supervisor *s)
{
	struct link_facts facts;
	struct address peer = {.len = sizeof(peer.sa)};

	for (unsigned i = 0; i < links_alive(s->links); i++) {
		links_facts(s->links, i, &facts);
		peer.sa = facts.id.peer;
		if (peer.sa.ss_family)
			reconnect_prefer(s->reconnect, &peer);
	}
}

static int open_up(struct supervisor *s, const struct adopt *a, struct err *err)
{
	struct address_list addresses;
	int ret;

	s->at.plan = a->plan;
	/* The former supervisor may have told the kernel to fail I/O. */
	if (a->probe != ADOPT_ALIVE)
		handover_restore(s->handover);
	s->at.guessed = !a->counted;
	s->at.known.size = a->plan.size;
	s->at.known.flags = a->plan.flags;
	s->at.known.max_block = a->max_payload;
	adopt_links(a, s->links);
	links_probe_ends(s->links, a->probe == ADOPT_DEAD);
	if (a->known && a->state->unsettled)
		links_inherit(s->links, a->state->unproved);
	adopt_addresses(a, &addresses);
	ret = reconnect_adopt(s->reconnect, a->known ? a->state : NULL, &addresses, err);
	if (ret == 0)
		ret = reconnect_check(s->reconnect, err);
	if (ret == 0)
		ret = supervisor_take_identifier(s, err);
	if (ret == 0)
		ret = supervisor_fill_report(s, err);
	if (ret == 0)
		prefer_living(s);
	if (ret == 0)
		ret = supervisor_open_up(s, err);
	snprintf(s->at.server, sizeof(s->at.server), "%s", a->state->address);
	if (a->known)
		s->serving.tls = a->state->tls;
	if (!s->at.server[0])
		endpoint_describe(reconnect_endpoint(s->reconnect), s->at.server,
				  sizeof(s->at.server));
	watch_set_cause(s->watch, "it was lost while no supervisor ran");
	return ret;
}

static void adopted(void *arg)
{
	struct supervisor *s = arg;
	struct adopt *a = s->adopt;
	struct err err = a->err;
	int ret = a->ret;

	if (ret == 0 && a->rival >= 0)
		log_warning(
		    "/dev/nbd%d: its export is also attached for writing as /dev/nbd%d: two "
		    "devices that write to one export destroy its data: detach one of them",
		    s->at.index, a->rival);
	if (ret == 0)
		ret = open_up(s, a, &err);
	free(a->state);
	free(TAKE_PTR(s->adopt));
	if (ret < 0)
		s->left = true; /* whatever is wrong, the device is not ours to forget */
	if (ret < 0)
		supervisor_post(s, FSM_GIVE_UP, &err);
	else
		supervisor_post(s, FSM_ADOPTED, NULL);
}

static void probe_work(void *arg)
{
	struct supervisor *s = arg;

	s->probe = sysfs_mark_valid(s->at.mark)
		       ? adopt_probe(s->env.kernel, s->at.index, s->at.identifier)
		       : ADOPT_UNKNOWN;
}

static void probed(void *arg)
{
	struct supervisor *s = arg;

	s->probing = false;
	links_probe_ends(s->links, s->probe == ADOPT_DEAD);
}

void supervisor_probe(struct supervisor *s)
{
	if (!s->at.taken_over || s->probing || links_blind(s->links) == 0 ||
	    offload_run(s->env.offload, probe_work, probed, s) < 0)
		return;
	s->probing = true;
	links_probe_begins(s->links);
}

void supervisor_adopt(struct supervisor *s, const struct event *e)
{
	struct adopt *a = calloc(1, sizeof(*a));
	struct err err;

	(void)e;
	if (a)
		a->state = calloc(1, sizeof(*a->state));
	if (!a || !a->state) {
		free(a);
		err_set(&err, ERR_SYSTEM, ENOMEM, "out of memory");
		s->left = true;
		supervisor_post(s, FSM_GIVE_UP, &err);
		return;
	}
	a->kernel = s->env.kernel;
	a->index = s->at.index;
	a->identifier = s->at.identifier;
	a->dead_timeout = supervisor_kernel_dead_timeout(&s->cfg);
	a->connections = s->cfg.connections;
	s->adopt = a;
	dialler_free(TAKE_PTR(s->dialler)); /* it would not be greeted */
	s->at.taken_over = true;
	supervisor_start_thread(s);
	links_probe_begins(s->links);
	offload_run(s->env.offload, work, adopted, s);
}
