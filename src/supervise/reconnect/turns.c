/* SPDX-License-Identifier: MIT */
/*
 * --failover: in an outage each server has its turn, in the order of targets.h, until one of them
 * answers and is the same export.
 */
#include "supervise/supervisor-private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/kernel.h"

#define BUSY_PAUSE_MS	500 /* the helper thread works on the connections */
#define SERVING_UNKNOWN "unknown"

static bool equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Processes that are ready for the one do for the other: the same files of TLS, the same way. */
static bool share_helpers(const struct endpoint *a, const struct endpoint *b)
{
	return a->type == b->type && a->tls == b->tls && a->tls_type == b->tls_type &&
	       equal(a->tls_certificates, b->tls_certificates) &&
	       equal(a->tls_psk_file, b->tls_psk_file) && equal(a->tls_ca, b->tls_ca) &&
	       equal(a->tls_crl, b->tls_crl) && equal(a->tls_cert, b->tls_cert) &&
	       equal(a->tls_key, b->tls_key);
}

static int make_helpers(struct supervisor *s, size_t i, struct err *err)
{
	const struct endpoint *e = s->over.targets.item[i].endpoint;
	struct helpers **own = &s->over.own[i];
	struct err no_tls;
	int ret;

	if (share_helpers(s->cfg.endpoint, e))
		return 0;
	ret = supervisor_make_helpers(s, e, 0, own, err);
	if (ret == 0 && e->tls && !helpers_relay(*own) && kernel_check_tls(&no_tls) < 0)
		helpers_set_relay(*own);
	return ret;
}

int supervisor_prepare_targets(struct supervisor *s, struct err *err)
{
	const struct endpoint *list[TARGETS_MAX] = {s->cfg.endpoint};
	int ret = 0;

	assert(s->cfg.n_failover < TARGETS_MAX);
	for (size_t i = 0; i < s->cfg.n_failover; i++)
		list[i + 1] = &s->cfg.failover[i];
	targets_init(&s->over.targets, list, 1 + s->cfg.n_failover, s->cfg.failback);
	s->over.turn = loop_timer_new(s->env.loop, supervisor_next_turn, s);
	if (!s->over.turn)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	for (size_t i = 1; ret == 0 && i < s->over.targets.n; i++)
		ret = make_helpers(s, i, err);
	return ret;
}

void supervisor_free_targets(struct supervisor *s)
{
	fence_free(TAKE_PTR(s->over.fence));
	loop_timer_free(TAKE_PTR(s->over.turn));
	for (size_t i = 0; i < TARGETS_MAX; i++)
		helpers_free(TAKE_PTR(s->over.own[i]));
}

/* Whether the export can be written is the server's word: see supervise/attach/plan.c. */
int supervisor_check_targets(struct supervisor *s, struct err *err)
{
	if (s->at.plan.flags & NBD_TX_READ_ONLY)
		return 0;
	if (s->cfg.same_content)
		return err_set(err, ERR_PERMANENT, EINVAL,
			       "--same-content is for read-only devices: on a writable one, data "
			       "written from here cannot be told from changed content; add "
			       "--read-only, or leave --same-content out");
	if (s->cfg.n_failover && !s->cfg.fence && !s->cfg.failover_unfenced)
		return err_set(err, ERR_PERMANENT, EINVAL,
			       "--failover of a writable device needs --fence COMMAND, so that a "
			       "server that was only stalled cannot write old data over new; "
			       "--fence none takes that risk, --read-only does not have it");
	return 0;
}

static size_t in_use(const struct supervisor *s)
{
	const struct targets *t = &s->over.targets;

	return t->serving < 0 ? t->aimed : (size_t)t->serving;
}

const struct endpoint *supervisor_endpoint(const struct supervisor *s)
{
	return s->over.targets.item[in_use(s)].endpoint;
}

static struct helpers *helpers_of(const struct supervisor *s, size_t i)
{
	return s->over.own[i] ? s->over.own[i] : s->helpers;
}

struct helpers *supervisor_helpers(const struct supervisor *s)
{
	return helpers_of(s, in_use(s));
}

/* What the status, and a later supervisor, is told. */
static void report(struct supervisor *s)
{
	const struct targets *t = &s->over.targets;
	_cleanup_free_ char *uri = NULL;

	if (t->n == 1)
		return;
	if (t->serving >= 0)
		uri = endpoint_uri(t->item[t->serving].endpoint);
	snprintf(s->report.serving, sizeof(s->report.serving), "%s", uri ? uri : SERVING_UNKNOWN);
}

/* --- what the content was ------------------------------------------------------------------- */

static void report_content(struct supervisor *s)
{
	const struct content *c = &s->over.content;
	char digest[DIGEST_TEXT_MAX];

	snprintf(s->report.content, sizeof(s->report.content), "%" PRIu32 " %" PRIu64 " %s",
		 c->bytes, c->size, digest_text(&c->digest, digest));
}

void supervisor_note_content(struct supervisor *s, const struct digest *digest)
{
	report(s);
	if (!digest)
		return;
	s->over.content = (struct content){
	    .known = true,
	    .bytes = s->cfg.same_content,
	    .size = s->at.known.size,
	    .digest = *digest,
	};
	report_content(s);
}

static void adopt_content(struct supervisor *s, const char *text)
{
	struct content *c = &s->over.content;
	char digest[DIGEST_TEXT_MAX] = "";

	if (!s->cfg.same_content)
		return;
	c->known = sscanf(text, "%" SCNu32 " %" SCNu64 " %32s", &c->bytes, &c->size, digest) == 3 &&
		   digest_parse(digest, &c->digest);
	if (c->known)
		report_content(s);
	else
		log_warning("/dev/nbd%d: there is no record of its content: --same-content cannot "
			    "compare it",
			    s->at.index);
}

int supervisor_same_content(const struct supervisor *s, const struct attempt_result *r,
			    struct err *err)
{
	const struct content *c = &s->over.content;

	if (!c->known || (r->sampled && digest_equal(&r->digest, &c->digest)))
		return 0;
	return err_set(err, ERR_PERMANENT, ESTALE,
		       "the server has an export of the same size, but its content has changed "
		       "since the device was attached: not connected to it");
}

/* --- which server --------------------------------------------------------------------------- */

/*
 * A server that was failed over to and is left out now can be neither dialled beside its own
 * connections nor fenced off: what the device has written is there.
 */
static int find_serving(struct supervisor *s, const struct state *state, int *ret_serving,
			struct err *err)
{
	const struct targets *t = &s->over.targets;
	const char *uri = state && state->serving[0] ? state->serving : state ? state->uri : "";

	*ret_serving = targets_find(t, uri);
	if (*ret_serving >= 0)
		return 0;
	if (!state || strcmp(uri, SERVING_UNKNOWN) == 0 || (t->n == 1 && !state->serving[0])) {
		*ret_serving = t->n == 1 ? 0 : -1;
		return 0;
	}
	return err_set(err, ERR_USAGE, EINVAL,
		       "/dev/nbd%d is connected to %.600s, which is not one of the servers given: "
		       "add it with --failover, or detach the device and attach it again",
		       s->at.index, uri);
}

int supervisor_adopt_target(struct supervisor *s, const struct state *state, struct err *err)
{
	int serving, ret = find_serving(s, state, &serving, err);

	if (ret < 0)
		return ret;
	if (serving < 0)
		log_warning("/dev/nbd%d: there is no record of which server it is connected to: "
			    "when the connection is lost, every server is tried",
			    s->at.index);
	targets_take_over(&s->over.targets, serving);
	if (state)
		s->report.failovers = state->failovers;
	report(s);
	adopt_content(s, state ? state->content : "");
	return 0;
}

void supervisor_time_turn(struct supervisor *s)
{
	uint64_t now = loop_now(), next = redial_next(s->redial);

	if (s->over.turning)
		loop_timer_set(s->over.turn,
			       (next > now ? next - now : 0) +
				   targets_patience(&s->over.targets, s->cfg.connect_timeout_ms));
}

/* From the present server to the aimed one. */
void supervisor_aim(struct supervisor *s, bool at_once)
{
	struct targets *t = &s->over.targets;
	struct target *target = targets_aimed(t);

	redial_aim(s->redial, target->endpoint, helpers_of(s, t->aimed), &target->addresses,
		   at_once);
	supervisor_time_turn(s);
}

void supervisor_keep_addresses(struct supervisor *s)
{
	targets_aimed(&s->over.targets)->addresses = *redial_addresses(s->redial);
}

/* No connection, neither in use nor on its way into the kernel. */
static bool is_open(const struct supervisor *s)
{
	return s->over.turning && !s->over.fence && !handover_is_busy(s->handover) &&
	       handover_ready(s->handover) == 0 && links_alive(s->links) == 0;
}

void supervisor_next_turn(void *arg)
{
	struct supervisor *s = arg;
	bool again;

	if (s->over.turning && handover_is_busy(s->handover)) /* or failing what waits */
		loop_timer_set(s->over.turn, BUSY_PAUSE_MS);
	if (!is_open(s))
		return;
	supervisor_keep_addresses(s);
	again = targets_next(&s->over.targets);
	supervisor_aim(s, !again);
}

void supervisor_turn_on(struct supervisor *s, bool wrong)
{
	if (!is_open(s))
		return;
	targets_failed(&s->over.targets, wrong);
	loop_timer_set(s->over.turn, 0);
}

bool supervisor_may_dial(struct supervisor *s)
{
	struct failing_over *f = &s->over;

	if (f->targets.n == 1 || handover_ready(s->handover))
		return true;
	/* Beside others, a connection may only go to their server. */
	if (links_alive(s->links) > 0)
		return f->targets.serving == (int)f->targets.aimed;
	if (f->fence)
		return false;
	supervisor_keep_addresses(s);
	if (f->turning && s->not_healed) {
		targets_failed(&f->targets, false);
		targets_next(&f->targets);
	} else if (!f->turning) {
		f->turning = true;
		f->lost = f->targets.serving;
		targets_begin(&f->targets);
	}
	supervisor_aim(s, true);
	return true;
}

void supervisor_hand_over_target(struct supervisor *s)
{
	s->over.served = s->over.targets.serving;
	targets_hand_over(&s->over.targets);
	s->unix_uid = targets_aimed(&s->over.targets)->unix_uid;
	s->report.peer_uid = s->unix_uid == (uid_t)-1 ? -1 : (int64_t)s->unix_uid;
	supervisor_remember_addresses(s, redial_addresses(s->redial));
	report(s);
}

bool supervisor_target_declined(struct supervisor *s)
{
	struct targets *t = &s->over.targets;

	t->serving = s->over.served;
	report(s);
	return t->serving == (int)t->aimed;
}

void supervisor_target_healed(struct supervisor *s)
{
	struct failing_over *f = &s->over;

	targets_healed(&f->targets);
	if (!f->turning)
		return;
	f->turning = false;
	loop_timer_cancel(f->turn);
	s->report.fence[0] = '\0';
	if (f->lost == f->targets.serving)
		return;
	s->report.failovers++;
	log_warning("/dev/nbd%d: another server serves it now: %s", s->at.index, s->report.serving);
}

void supervisor_stop_turns(struct supervisor *s)
{
	struct failing_over *f = &s->over;

	f->turning = false;
	if (f->turn)
		loop_timer_cancel(f->turn);
	if (f->fence)
		s->report.fence[0] = '\0'; /* "running" */
	fence_free(TAKE_PTR(f->fence));
}
