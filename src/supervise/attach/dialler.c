/* SPDX-License-Identifier: MIT */
#include "supervise/attach/dialler.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "supervise/watch/links.h"

struct dialler {
	struct loop *loop;
	struct dialler_config cfg;
	dialler_fn *fn;
	void *arg;

	struct attempt *attempt[LINKS_MAX]; /* under way */
	unsigned pending;
	int fd[LINKS_MAX];
	unsigned n;

	struct nbd_export export;
	struct address_list peer;      /* one address: the one that answered */
	struct address_list addresses; /* all addresses that were known then */
	uid_t unix_uid;
	struct tls_facts tls;
	bool relay;
	bool sampled;
	struct digest digest;
	struct ids ids;
	struct loop_timer *failed; /* reports an attempt that could not even start */
	struct err start_err;
	int start_ret;
};

static void start_failed(void *arg)
{
	struct dialler *d = arg;

	d->fn(d->start_ret, &d->start_err, d->arg);
}

struct dialler *dialler_new(struct loop *loop, const struct dialler_config *cfg, dialler_fn *fn,
			    void *arg)
{
	struct dialler *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->loop = loop;
	d->cfg = *cfg;
	d->fn = fn;
	d->arg = arg;
	d->failed = loop_timer_new(loop, start_failed, d);
	if (!d->failed) {
		free(d);
		return NULL;
	}
	return d;
}

static void drop_attempts(struct dialler *d)
{
	for (size_t i = 0; i < LINKS_MAX; i++) {
		attempt_free(d->attempt[i]);
		d->attempt[i] = NULL;
	}
	d->pending = 0;
}

static void drop_all(struct dialler *d)
{
	drop_attempts(d);
	while (d->n)
		close(d->fd[--d->n]);
}

void dialler_free(struct dialler *d)
{
	if (!d)
		return;
	drop_all(d);
	loop_timer_free(d->failed);
	free(d);
}

/* Rule 4 of the data safety rules: every connection must lead to the same export. */
static int same_export(const struct dialler *d, const struct attempt_result *r, struct err *err)
{
	if (!nbd_export_equal(&d->export, &r->export))
		return err_set(err, ERR_PERMANENT, EPROTO,
			       "the server describes the export differently on another connection: "
			       "with --connections it must be the same on all of them");
	if (r->sampled && (ids_differ(&d->ids, &r->ids) || ids_differ(&r->ids, &d->ids)))
		return err_set(err, ERR_PERMANENT, EPROTO,
			       "the server gives each connection a disk of its own: their contents "
			       "differ, so the device cannot have several");
	if (d->cfg.endpoint->type == ENDPOINT_UNIX && r->unix_uid != d->unix_uid)
		return err_set(err, ERR_PERMANENT, EPERM,
			       "another user's server answers on the same socket: uid %u, not %u",
			       (unsigned)r->unix_uid, (unsigned)d->unix_uid);
	return 0;
}

static void dialled(struct attempt *a, int ret, struct attempt_result *r, const struct err *err,
		    void *arg)
{
	struct dialler *d = arg;
	struct err mine;

	for (size_t i = 0; i < LINKS_MAX; i++)
		if (d->attempt[i] == a)
			d->attempt[i] = NULL;
	d->pending--;
	if (ret == 0 && d->n == 0) {
		d->export = r->export;
		d->peer = (struct address_list){.n = 1, .item = {r->peer}};
		d->addresses = r->addresses;
		d->unix_uid = r->unix_uid;
		d->tls = r->tls;
		d->relay = r->relay;
		d->sampled = r->sampled;
		d->digest = r->digest;
		d->ids = r->ids;
	} else if (ret == 0) {
		ret = same_export(d, r, &mine);
		err = &mine;
	}
	if (ret == 0)
		d->fd[d->n++] = TAKE_FD(r->fd);
	attempt_free(a);
	if (ret < 0)
		drop_all(d);
	if (ret < 0 || d->pending == 0)
		d->fn(ret, err, d->arg);
}

static int start(struct dialler *d, const struct address_list *addresses)
{
	struct attempt_config cfg = {
	    .endpoint = d->cfg.endpoint,
	    .addresses = addresses,
	    .source = d->cfg.source,
	    .peer_uid = d->cfg.peer_uid,
	    .goal = NEGO_GOAL_GO,
	    .timeout_ms = d->cfg.timeout_ms,
	    .peer_timeout_ms = d->cfg.peer_timeout_ms,
	    .helpers = d->cfg.helpers,
	    .sample = d->n == 0 || d->cfg.sample == IDS_SAMPLE ? d->cfg.sample : 0,
	};
	size_t slot = 0;

	while (d->attempt[slot])
		slot++;
	d->start_ret =
	    attempt_new(d->loop, &cfg, dialled, NULL, d, &d->attempt[slot], &d->start_err);
	if (d->start_ret == 0) {
		d->pending++;
	} else {
		drop_all(d);
		loop_timer_set(d->failed, 0);
	}
	return d->start_ret;
}

void dialler_first(struct dialler *d)
{
	drop_all(d);
	start(d, NULL);
}

void dialler_join(struct dialler *d, unsigned n)
{
	while (d->n + d->pending < n)
		if (start(d, &d->peer) < 0)
			return;
	if (d->pending == 0)
		d->fn(0, NULL, d->arg);
}

const struct nbd_export *dialler_export(const struct dialler *d)
{
	return &d->export;
}

const struct address *dialler_peer(const struct dialler *d)
{
	return &d->peer.item[0];
}

const struct address_list *dialler_addresses(const struct dialler *d)
{
	return &d->addresses;
}

const struct tls_facts *dialler_tls(const struct dialler *d)
{
	return &d->tls;
}

bool dialler_relay(const struct dialler *d)
{
	return d->relay;
}

const struct digest *dialler_sample(const struct dialler *d)
{
	return d->sampled ? &d->digest : NULL;
}

const struct ids *dialler_ids(const struct dialler *d)
{
	return d->sampled ? &d->ids : NULL;
}

uid_t dialler_unix_uid(const struct dialler *d)
{
	return d->unix_uid;
}

int dialler_take(struct dialler *d)
{
	return d->n ? d->fd[--d->n] : -1;
}
