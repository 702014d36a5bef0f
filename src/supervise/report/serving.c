/* SPDX-License-Identifier: MIT */
#include "supervise/report/serving.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"

#define DAY INT64_C(86400) /* seconds */

void serving_note_flush(struct serving *v, const struct attachment *at, uint16_t flags)
{
	bool flushes = flags & NBD_TX_SEND_FLUSH;

	if (attachment_is_read_only(at) || flushes == v->flushes)
		return;
	v->flushes = flushes;
	if (attachment_flushes(at) && !flushes)
		log_warning("/dev/nbd%d: the present server does not support flush, and the device "
			    "sends one for each fsync: fsync may fail",
			    at->index);
	else if (flushes && !attachment_flushes(at))
		log_notice("/dev/nbd%d: the server supports flush now, and the device sends none: "
			   "detach it and attach it again so that fsync reaches the server",
			   at->index);
}

static void warn_of_expiry(const struct attachment *at, const char *whose, int64_t when)
{
	int64_t left = when - time(NULL);

	if (!when || left >= STATE_EXPIRY_WARNING)
		return;
	if (left < 0)
		log_warning("/dev/nbd%d: %s certificate has expired: renew it", at->index, whose);
	else
		log_warning("/dev/nbd%d: %s certificate expires in %lld days: renew it", at->index,
			    whose, (long long)(left / DAY));
}

void serving_note_tls(struct serving *v, const struct attachment *at, const struct endpoint *e,
		      const struct tls_facts *tls, bool relay)
{
	struct state_tls *r = &v->tls;
	bool news = r->peer_expires != tls->peer_expires || r->own_expires != tls->own_expires;
	const char *warning = endpoint_warning(e);

	if (warning && !r->unverified)
		log_warning("/dev/nbd%d: %s", at->index, warning);
	r->unverified = warning != NULL;
	snprintf(r->version, sizeof(r->version), "%s", tls->version);
	snprintf(r->cipher, sizeof(r->cipher), "%s", tls->cipher);
	snprintf(r->peer, sizeof(r->peer), "%s", tls->peer);
	r->peer_expires = tls->peer_expires;
	r->own_expires = tls->own_expires;
	r->relay = relay;
	if (!news)
		return;
	warn_of_expiry(at, "the server's", r->peer_expires);
	warn_of_expiry(at, "our", r->own_expires);
}

void serving_report(const struct serving *v, struct state *ret_state)
{
	ret_state->tls = v->tls;
}
