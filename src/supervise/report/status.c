/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "kernel/sysfs.h"

#define DAY INT64_C(86400) /* seconds */

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
	s->server_flushes = r->flush;
	r->peer_uid = s->unix_uid == (uid_t)-1 ? -1 : (int64_t)s->unix_uid;
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

void supervisor_note_flush(struct supervisor *s, uint16_t flags)
{
	bool flushes = flags & NBD_TX_SEND_FLUSH;

	if (attachment_is_read_only(&s->at) || flushes == s->server_flushes)
		return;
	s->server_flushes = flushes;
	if (attachment_flushes(&s->at) && !flushes)
		log_warning("/dev/nbd%d: the present server does not support flush, and the device "
			    "sends one for each fsync: fsync may fail",
			    s->at.index);
	else if (flushes && !attachment_flushes(&s->at))
		log_notice("/dev/nbd%d: the server supports flush now, and the device sends none: "
			   "detach it and attach it again so that fsync reaches the server",
			   s->at.index);
}

static void warn_of_expiry(const struct supervisor *s, const char *whose, int64_t when)
{
	int64_t left = when - time(NULL);

	if (!when || left >= STATE_EXPIRY_WARNING)
		return;
	if (left < 0)
		log_warning("/dev/nbd%d: %s certificate has expired: renew it", s->at.index, whose);
	else
		log_warning("/dev/nbd%d: %s certificate expires in %lld days: renew it",
			    s->at.index, whose, (long long)(left / DAY));
}

void supervisor_note_tls(struct supervisor *s, const struct tls_facts *tls, bool relay)
{
	struct state_tls *r = &s->report.tls;
	bool news = r->peer_expires != tls->peer_expires || r->own_expires != tls->own_expires;
	const char *warning = endpoint_warning(supervisor_endpoint(s));

	if (warning && !r->unverified)
		log_warning("/dev/nbd%d: %s", s->at.index, warning);
	r->unverified = warning != NULL;
	snprintf(r->version, sizeof(r->version), "%s", tls->version);
	snprintf(r->cipher, sizeof(r->cipher), "%s", tls->cipher);
	snprintf(r->peer, sizeof(r->peer), "%s", tls->peer);
	r->peer_expires = tls->peer_expires;
	r->own_expires = tls->own_expires;
	r->relay = relay;
	if (!news)
		return;
	warn_of_expiry(s, "the server's", r->peer_expires);
	warn_of_expiry(s, "our", r->own_expires);
}

/* Seconds since 1970 of a moment given in monotonic ms; 0 stays 0. */
static int64_t calendar(uint64_t moment)
{
	return moment ? time(NULL) + ((int64_t)moment - (int64_t)loop_now()) / 1000 : 0;
}

void supervisor_remember_addresses(struct supervisor *s, const struct address_list *addresses)
{
	char text[ADDRESS_TEXT_MAX];
	struct text t;

	text_init(&t, s->report.addresses, sizeof(s->report.addresses));
	for (size_t i = 0; supervisor_endpoint(s)->type == ENDPOINT_TCP && i < addresses->n; i++) {
		address_describe(&addresses->item[i], text, sizeof(text));
		if (t.len + strlen(text) + 2 > t.size)
			break;
		text_str(&t, i ? " " : "");
		text_str(&t, text);
	}
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
	r->next_try = s->redial ? calendar(redial_next(s->redial)) : 0;
	ret = state_write(r);
	if (ret < 0)
		log_warning("cannot write the state file: %s", strerror(-ret));
}

void supervisor_manager_ready(struct supervisor *s)
{
	if (s->ready || !s->udev_told || s->table)
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
