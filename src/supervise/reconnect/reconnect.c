/* SPDX-License-Identifier: MIT */
#include "supervise/reconnect/reconnect-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/protect.h"
#include "base/text.h"

int reconnect_new(const struct part_env *env, const struct reconnect_config *cfg,
		  const struct reconnect_events *events, void *arg,
		  struct reconnect **ret_reconnect, struct err *err)
{
	struct reconnect *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	r->env = env;
	r->cfg = *cfg;
	r->events = events;
	r->arg = arg;
	r->accept = cfg->accept;
	r->unix_uid = (uid_t)-1;
	r->has_key =
	    cfg->same_content && cfg->same_content != IDS_SAMPLE && secret_read(r->key) == 0;
	ret = turns_prepare(r, err);
	/* With --swap, and for the root file system, a new process may need what is on the device.
	 */
	if (ret == 0 && cfg->same_content == IDS_SAMPLE && !cfg->swap && !protect_root())
		ret = idle_new(env, helpers_sandbox(cfg->helpers), content_seen, r, &r->idle, err);
	if (ret < 0)
		reconnect_free(r);
	else
		*ret_reconnect = r;
	return ret;
}

void reconnect_free(struct reconnect *r)
{
	if (!r)
		return;
	redial_free(r->redial);
	hints_free(r->hints);
	turns_free(r);
	idle_free(r->idle);
	free(r);
}

void reconnect_end_relays(struct reconnect *r)
{
	for (size_t i = 0; r && i < TARGETS_MAX; i++)
		helpers_end_relays(r->own[i]);
}

/* --- what answers ----------------------------------------------------------------------------- */

/* Rules 2 and 4 of the data safety rules. */
static int check(struct reconnect *r, const struct attempt_result *result, uint64_t *ret_size,
		 struct err *err)
{
	const struct target *t = targets_aimed(&r->targets);
	/* The fence command may make the other server writable. */
	unsigned accept = r->accept | (fencing_is_due(r) ? ACCEPT_READ_ONLY : 0);
	int ret;

	if (t->endpoint->type == ENDPOINT_UNIX && t->unix_uid != (uid_t)-1 &&
	    result->unix_uid != t->unix_uid)
		return err_set(
		    err, ERR_PERMANENT, ESTALE,
		    "another user serves the socket now, uid %u instead of %u: not connected to "
		    "it; detach the device and attach it again if that is right",
		    (unsigned)result->unix_uid, (unsigned)t->unix_uid);
	ret = identity_check(&r->env->at->plan, &r->env->at->known, r->env->at->name,
			     &result->export, accept, ret_size, err);
	return ret < 0 ? ret : content_check(r, result, err);
}

static void not_connected(struct reconnect *r, int ret, const struct err *err)
{
	snprintf(r->error, sizeof(r->error), "%s", err->message);
	if (err->kind == ERR_PERMANENT) {
		if (ret == -CONTENT_DIFFERS)
			r->events->differs(err, r->arg);
		else
			r->events->refused(err, r->arg);
		return;
	}
	log_line(reconnect_is_news(r, err) ? LOG_INFO : LOG_DEBUG, "/dev/nbd%d: %s",
		 r->env->at->index, err->message);
	r->events->changed(r->arg);
}

/* Checks that the connection can be used now. 0 or -errno with *err. */
static int judge(struct reconnect *r, const struct attempt_result *result, uint64_t *ret_size,
		 struct err *err)
{
	char what[ADDRESS_TEXT_MAX];
	int ret = check(r, result, ret_size, err);

	if (ret < 0 && r->cfg.n_failover)
		err_prefix(err, "%s: ", address_describe(&result->peer, what, sizeof(what)));
	if (ret == 0 && fencing_is_due(r))
		ret = fencing_start(r, err);
	return ret;
}

/* A redial_fn. */
static bool redialled(int ret, struct attempt_result *result, const struct err *err, void *arg)
{
	struct reconnect *r = arg;
	const struct reconnect_view view = reconnect_look(r);
	uint64_t size = 0;
	struct err why;

	if (ret == 0 && (!view.dials || !view.has_room))
		return false;
	if (ret == 0)
		ret = judge(r, result, &size, &why);
	else
		why = *err;
	if (ret < 0) {
		r->events->explain(&why, r->arg);
		turns_turn_on(r, why.kind == ERR_PERMANENT);
		not_connected(r, ret, &why);
		return false;
	}
	targets_aimed(&r->targets)->unix_uid = result->unix_uid;
	r->events->found(result, size, r->arg);
	return true;
}

/* --- the device is attached, or taken over ---------------------------------------------------- */

/* The server decides whether the export can be written: see supervise/attach/plan.c. */
int reconnect_check(const struct reconnect *r, struct err *err)
{
	if (r->env->at->plan.flags & NBD_TX_READ_ONLY)
		return 0;
	if (r->cfg.same_content && r->cfg.same_content != IDS_SAMPLE)
		return err_set(err, ERR_PERMANENT, EINVAL,
			       "--same-content is for read-only devices: on a writable one, data "
			       "written from here cannot be told from changed content; add "
			       "--read-only, or use --same-content=ids, which compares the "
			       "identifiers of file systems and partition tables");
	if (r->cfg.n_failover && !r->cfg.fence && !r->cfg.failover_unfenced)
		return err_set(err, ERR_PERMANENT, EINVAL,
			       "--failover of a writable device needs --fence COMMAND, so that a "
			       "server that was only stalled cannot write old data over new; "
			       "--fence none takes that risk, --read-only does not have it");
	return 0;
}

/* Recorded for a later supervisor. */
static void note_addresses(struct reconnect *r, const struct address_list *addresses)
{
	char text[ADDRESS_TEXT_MAX];
	struct text t;

	text_init(&t, r->addresses, sizeof(r->addresses));
	for (size_t i = 0; reconnect_endpoint(r)->type == ENDPOINT_TCP && i < addresses->n; i++) {
		address_describe(&addresses->item[i], text, sizeof(text));
		if (t.len + strlen(text) + 2 > t.size)
			break;
		text_str(&t, i ? " " : "");
		text_str(&t, text);
	}
}

static int make_redial(struct reconnect *r, const struct address_list *addresses, struct err *err)
{
	struct redial_config cfg = {
	    .endpoint = reconnect_endpoint(r),
	    .addresses = addresses,
	    .source = r->cfg.source,
	    .peer_uid = r->cfg.peer_uid,
	    .helpers = reconnect_helpers(r),
	    .backoff = r->cfg.backoff,
	    .timeout_ms = r->cfg.connect_timeout_ms,
	    .peer_timeout_ms = r->cfg.peer_timeout_ms,
	    .follow_dns = r->cfg.follow_dns,
	    .sample = content_sample(r),
	    .sample_size = r->content.size,
	};

	note_addresses(r, addresses);
	targets_aimed(&r->targets)->unix_uid = r->unix_uid;
	r->redial = redial_new(r->env->loop, &cfg, redialled, r);
	return r->redial ? 0 : err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
}

void reconnect_set_owner(struct reconnect *r, uid_t unix_uid)
{
	r->unix_uid = unix_uid;
}

int reconnect_know(struct reconnect *r, const struct address_list *addresses,
		   const struct digest *digest, const struct ids *ids, struct err *err)
{
	turns_note(r);
	content_note(r, digest, ids);
	return make_redial(r, addresses, err);
}

int reconnect_adopt(struct reconnect *r, const struct state *state,
		    const struct address_list *addresses, struct err *err)
{
	const struct address_list none = {.n = 0};
	int ret = turns_adopt(r, state, err);

	if (ret < 0)
		return ret;
	/* Records of an unknown server say nothing about the aimed one. */
	if (r->targets.serving < 0)
		return make_redial(r, &none, err);
	if (state && state->peer_uid >= 0)
		r->unix_uid = (uid_t)state->peer_uid;
	return make_redial(r, addresses, err);
}

int reconnect_may_adopt(struct reconnect *r, const struct state *state, struct err *err)
{
	return turns_may_adopt(r, state, err);
}

bool reconnect_look_when_idle(struct reconnect *r)
{
	return idle_look(r->idle, r->content.size);
}

int reconnect_check_content(struct reconnect *r, const struct attempt_result *result,
			    struct err *err)
{
	return content_check(r, result, err);
}

void reconnect_sample(const struct reconnect *r, uint32_t *ret_sample, uint64_t *ret_size)
{
	*ret_sample = content_sample(r);
	*ret_size = r->content.size;
}

void reconnect_prefer(struct reconnect *r, const struct address *peer)
{
	redial_prefer(r->redial, peer);
}

/* --- an outage -------------------------------------------------------------------------------- */

static void heard(const char *why, void *arg)
{
	reconnect_hurry(arg, why);
}

void reconnect_listen(struct reconnect *r)
{
	const struct endpoint *e = r->cfg.endpoint;

	if (!r->hints)
		r->hints =
		    hints_new(r->env->loop, e->type == ENDPOINT_UNIX ? e->path : NULL, heard, r);
}

void reconnect_keep_files(struct reconnect *r)
{
	tls_files_keep(helpers_tls_files(r->cfg.helpers));
	for (size_t i = 0; i < TARGETS_MAX; i++)
		if (r->own[i])
			tls_files_keep(helpers_tls_files(r->own[i]));
}

bool reconnect_start(struct reconnect *r, unsigned n, bool again, bool beside)
{
	reconnect_listen(r);
	idle_stop(r->idle);
	if (!turns_may_dial(r))
		return false;
	redial_want(r->redial, n, again || r->not_healed, beside);
	turns_time(r);
	return true;
}

void reconnect_hurry(struct reconnect *r, const char *why)
{
	if (!reconnect_look(r).dials)
		return;
	log_info("/dev/nbd%d: %s: trying at once", r->env->at->index, why);
	redial_now(r->redial);
}

void reconnect_accept(struct reconnect *r, unsigned accept)
{
	r->accept |= accept;
}

bool reconnect_is_news(struct reconnect *r, const struct err *err)
{
	struct target *t = targets_aimed(&r->targets);
	/* Apart, so that what a server says while it is away cannot delay why it is refused. */
	return news_take(err->kind == ERR_PERMANENT ? &t->refusals : &t->failures_said,
			 err->message, loop_now());
}

void reconnect_stop(struct reconnect *r)
{
	idle_stop(r->idle);
	turns_stop(r);
	if (r->redial)
		redial_want(r->redial, 0, false, false);
	hints_free(TAKE_PTR(r->hints));
}

void reconnect_hand_over(struct reconnect *r)
{
	r->served = r->targets.serving;
	targets_hand_over(&r->targets);
	r->unix_uid = targets_aimed(&r->targets)->unix_uid;
	note_addresses(r, redial_addresses(r->redial));
	turns_note(r);
}

bool reconnect_declined(struct reconnect *r)
{
	struct targets *t = &r->targets;

	t->serving = r->served;
	turns_note(r);
	return t->serving == (int)t->aimed;
}

void reconnect_handed_over(struct reconnect *r, unsigned taken, bool alive)
{
	r->taken |= taken > 0;
	r->not_healed = !alive;
}

void reconnect_recovered(struct reconnect *r, unsigned missing, bool again, bool beside)
{
	bool taken = r->taken;

	r->taken = false;
	turns_healed(r);
	/* Without a new connection, what was accepted has not been used. */
	if (taken || missing == 0) {
		content_recovered(r, taken);
		r->accept = r->cfg.accept; /* forgets what was accepted for this outage */
	}
	r->error[0] = '\0';
	if (missing == 0 && !r->cfg.swap)
		hints_free(TAKE_PTR(r->hints));
	redial_want(r->redial, turns_may_dial(r) ? missing : 0, again || !taken, beside);
}

/* --- the server in use ------------------------------------------------------------------------ */

static size_t in_use(const struct reconnect *r)
{
	const struct targets *t = &r->targets;

	return t->serving < 0 ? t->aimed : (size_t)t->serving;
}

const struct endpoint *reconnect_endpoint(const struct reconnect *r)
{
	return r->targets.item[in_use(r)].endpoint;
}

struct helpers *reconnect_helpers(const struct reconnect *r)
{
	return turns_helpers(r, in_use(r));
}

const struct address_list *reconnect_addresses(const struct reconnect *r)
{
	static const struct address_list none;

	return r->redial ? redial_addresses(r->redial) : &none;
}

unsigned reconnect_accepted(const struct reconnect *r)
{
	return r->accept;
}

uid_t reconnect_unix_uid(const struct reconnect *r)
{
	return r->unix_uid;
}

bool reconnect_is_greeting(const struct reconnect *r)
{
	return redial_connected(r->redial);
}
