/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

int supervisor_fill_report(struct supervisor *s)
{
	struct state *r = &s->report;
	char *uri = endpoint_uri(s->cfg.endpoint);

	if (!uri)
		return err_set(&s->err, ERR_SYSTEM, ENOMEM, "out of memory");
	/* Field by field: the struct is large and its pages are not touched for nothing. */
	r->index = s->index;
	r->pid = getpid();
	r->size = s->plan.size;
	r->block_size = s->plan.block_size;
	r->read_only = s->plan.flags & NBD_TX_READ_ONLY;
	r->flags = s->plan.flags;
	r->dead_timeout = !s->cfg.reconnect ? 0
			  : s->cfg.dead_timeout_s == SUPERVISOR_FOREVER
			      ? -1
			      : (int64_t)s->cfg.dead_timeout_s;
	snprintf(r->uri, sizeof(r->uri), "%s", uri);
	snprintf(r->identifier, sizeof(r->identifier), "%s", s->cfg.identifier);
	snprintf(r->backend, sizeof(r->backend), "%s", s->kernel->ops->name);
	free(uri);
	return 0;
}

/* Seconds since 1970 of a moment given in monotonic ms; 0 stays 0. */
static int64_t calendar(uint64_t moment)
{
	return moment ? time(NULL) + ((int64_t)moment - (int64_t)loop_now()) / 1000 : 0;
}

static void fill_links(struct supervisor *s)
{
	struct state *r = &s->report;
	struct link_facts facts;

	r->alive = links_alive(s->links);
	r->connections = links_wanted(s->links);
	for (unsigned i = 0; i < r->alive && i < STATE_LINKS_MAX; i++) {
		links_facts(s->links, i, &facts);
		r->link[i] = (struct state_link){
		    .rtt_us = facts.rtt_us,
		    .retransmits = facts.retransmits,
		    .sent = facts.sent,
		    .received = facts.received,
		};
		memcpy(r->link[i].local, facts.local, sizeof(facts.local));
		memcpy(r->link[i].peer, facts.peer, sizeof(facts.peer));
	}
}

void supervisor_write_state(struct supervisor *s)
{
	const char *name = fsm_state_name(s->state);
	const struct outage *o = &s->outage;
	struct state *r = &s->report;
	int ret;

	if (s->index < 0)
		return;
	if (strcmp(r->name, name) != 0)
		r->since = time(NULL);
	snprintf(r->name, sizeof(r->name), "%s", name);
	fill_links(s);
	r->outages = o->count;
	r->outage_since = calendar(o->since);
	r->last_outage_ms = o->since ? loop_now() - o->since : o->last_ms;
	r->downtime_ms = o->total_ms + (o->since ? loop_now() - o->since : 0);
	snprintf(r->outage_cause, sizeof(r->outage_cause), "%s", o->cause);
	r->next_try = s->redial ? calendar(redial_next(s->redial)) : 0;
	ret = state_write(r);
	if (ret < 0)
		log_warning("cannot write the state file: %s", strerror(-ret));
}
