/* SPDX-License-Identifier: MIT */
/*
 * Follows the size of the export. A server describes an export to each connection as it is when
 * that begins, and refuses what lies behind that size for the connection's whole life: nbdkit,
 * nbd-server and qemu-nbd do. So the size is asked for in a handshake beside the living
 * connections, and if the export has grown, new connections are made first, then put in place of
 * the old ones in a moment without requests, then the device grows.
 */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"

#define LOOK_MS	   5	 /* between two looks whether this is the moment */
#define QUIET_MS   100	 /* without a request before connections are replaced */
#define UNSEEN_MS  8000	 /* how long what began while requests were not counted may take */
#define MOMENT_MS  10000 /* how long a moment without requests is waited for */
#define RENEWAL_MS 60000 /* how long new connections may take to get to the kernel */
#define EVERY_MAX  16	 /* periods, for a server that does not answer */

static void answer(struct supervisor *s, int status, const char *sentence)
{
	if (s->resizing.asked)
		supervisor_answer(s, status, sentence);
	else
		log_debug("/dev/nbd%d: --resize: %s", s->at.index, sentence);
	s->resizing.asked = false;
}

/* Whether or not something came of it. */
static void end(struct supervisor *s, int status, const char *sentence)
{
	struct resizing *z = &s->resizing;

	attempt_free(TAKE_PTR(z->attempt));
	if (z->look)
		loop_timer_cancel(z->look);
	while (z->n)
		close(z->fd[--z->n]);
	z->size = 0;
	answer(s, status, sentence);
}

static void lost_meanwhile(struct supervisor *s)
{
	end(s, err_exit_status(ERR_RETRY),
	    "a connection to the server is lost: the device takes the export's size when it is "
	    "connected again");
}

void supervisor_resized(struct supervisor *s, uint64_t old_size)
{
	struct resizing *z = &s->resizing;
	char from[64], to[64];
	struct err err;

	if (!z->size && !z->asked)
		return;
	if (s->grow_err.message[0]) {
		end(s, err_exit_status(s->grow_err.kind), s->grow_err.message);
		return;
	}
	err_set(&err, ERR_FAILED, 0, "/dev/nbd%d has grown from %s to %s", s->at.index,
		size_text(old_size, from, sizeof(from)),
		size_text(s->at.plan.size, to, sizeof(to)));
	end(s, 0, err.message);
}

/*
 * A moment without requests: none under way now, none at the look before, and none completed in
 * between. Between this look and the end of the connections a request may enter. If its reply is
 * lost as well, I/O waits for a proof that may never come, and nbdkit may answer it with an error.
 * So connections are replaced only after QUIET_MS without a request, which makes that unlikely for
 * a device that is seldom used, and refused for one that is busy. A device that never has one keeps
 * its connections: ending them with a request under way would let the server carry it out after its
 * copy on the new connection, over newer data, and nothing can make the device idle. Freezing its
 * queue, or a netlink command that does so, would wait for a server that may be stalled, with a
 * mutex held that every other device needs.
 */
static bool is_moment(struct supervisor *s)
{
	struct resizing *z = &s->resizing;
	uint64_t now = loop_now(), seen;
	struct sysfs_progress p;
	bool moment, unseen, same;

	/* Before the look, so that what is sent after it shows. */
	links_remember(s->links);
	if (sysfs_progress(s->at.index, &p) < 0)
		return false;
	z->uncounted = !p.counted;
	if (!p.counted)
		z->uncounted_at = now;
	/* A request that began while none was counted never is. */
	seen = watch_uncounted_at(s->watch);
	if (seen < z->uncounted_at)
		seen = z->uncounted_at;
	unseen = seen && now - seen < UNSEEN_MS;
	same = p.counted && p.in_flight == 0 && z->quiet && p.completed == z->completed;
	moment = same && !unseen && (z->renewed || now - z->quiet >= QUIET_MS);
	if (!same)
		z->quiet = p.counted && p.in_flight == 0 ? now : 0;
	z->completed = p.completed;
	return moment;
}

static void no_moment(struct supervisor *s)
{
	const char *why =
	    s->resizing.uncounted
		? "its requests are not counted (queue/iostats is 0), so that no moment without "
		  "requests can be found: write 1 to queue/iostats, and try again"
	    : s->resizing.renewed
		? "requests are under way all the time: the device grows as soon as "
		  "none is"
		: "the device was never without requests for 0.1 s, which is when its "
		  "connections can be replaced for the new size: ask again when the device "
		  "is less busy";

	end(s, err_exit_status(ERR_RETRY), why);
}

/* ms for the server's end at most: the device is healthy, and its I/O must not fail meanwhile. */
static uint32_t close_limit(const struct supervisor *s)
{
	uint64_t half = timeouts_dead(&s->cfg) * 1000 / 2;

	return half < UINT32_MAX ? (uint32_t)half : UINT32_MAX;
}

/* From here on it is an outage like any other, but that the new connections are there already. */
static void renew(struct supervisor *s)
{
	struct resizing *z = &s->resizing;

	/* No outage, so that nothing else stands ready. */
	for (size_t i = 0; i < z->n; i++)
		handover_add(s->handover, z->fd[i]);
	z->n = 0;
	links_renew(s->links, close_limit(s), "it is replaced for the export's new size");
	supervisor_write_state(s); /* for a supervisor that takes over in this moment */
	if (!handover_ended_clean(s->handover))
		log_warning("/dev/nbd%d: a request was sent to %s at the moment when its "
			    "connection was closed: I/O waits until it is answered",
			    s->at.index, s->at.server);
	s->fresh_size = z->size;
	z->renewed = true;
	z->quiet = 0;
	z->since = loop_now();
	loop_timer_set(z->look, LOOK_MS);
	watch_look(s->watch);
	supervisor_post(s, FSM_REDIALLED, NULL);
}

/*
 * Since 6.9 the driver freezes the queue for a new size, and a request whose connection dies in
 * that moment would hold it frozen until the dead timeout: hence the wait for a good one.
 */
static void look(void *arg)
{
	struct supervisor *s = arg;
	struct resizing *z = &s->resizing;
	uint64_t waited = loop_now() - z->since;

	if (s->growing)
		return; /* supervisor_resized() is to come */
	if (z->renewed && s->state != FSM_ATTACHED && waited < RENEWAL_MS) {
		loop_timer_set(z->look, LOOK_MS);
		return;
	}
	if (s->state != FSM_ATTACHED || handover_is_busy(s->handover)) {
		lost_meanwhile(s);
		return;
	}
	if (z->renewed)
		waited = loop_now() - s->outage.recovered;
	if (is_moment(s)) {
		if (z->renewed)
			supervisor_grow(s);
		else
			renew(s);
		loop_timer_set(z->look, LOOK_MS);
	} else if (waited < MOMENT_MS && !z->uncounted) {
		loop_timer_set(z->look, LOOK_MS);
	} else {
		no_moment(s);
	}
}

static int check(struct supervisor *s, const struct attempt_result *r, uint64_t *ret_size,
		 struct err *err)
{
	unsigned accept = reconnect_accepted(s->reconnect) | ACCEPT_SMALLER;
	const struct nbd_export *e = &r->export;
	uint64_t cut = e->size - e->size % s->at.plan.block_size;
	bool other = reconnect_endpoint(s->reconnect)->type == ENDPOINT_UNIX &&
		     reconnect_unix_uid(s->reconnect) != (uid_t)-1 &&
		     r->unix_uid != reconnect_unix_uid(s->reconnect);

	if (cut < s->at.plan.size)
		return err_set(err, ERR_PERMANENT, ESTALE,
			       "the export is smaller now, %llu bytes instead of %llu: the device "
			       "keeps its size, because an attached device cannot be made smaller, "
			       "and requests beyond the export's end fail",
			       (unsigned long long)e->size, (unsigned long long)s->at.known.size);
	if (other || identity_check(&s->at.plan, &s->at.known, e, accept, ret_size, err) < 0)
		return err_set(err, ERR_PERMANENT, ESTALE,
			       "a new connection finds another export, or one with fewer features "
			       "than the one that was attached: the device keeps its size; "
			       "`nbd-attach --info` shows what is there");
	return 0;
}

static void unanswered(struct supervisor *s, const struct err *err)
{
	struct err longer = *err;

	s->resizing.every *= s->resizing.every < EVERY_MAX ? 2 : 1;
	if (err->kind == ERR_RETRY)
		err_set(&longer, ERR_RETRY, EAGAIN,
			"%s; or the server accepts only one client, which is this device: then "
			"detach the device and attach it again for the new size",
			err->message);
	end(s, err_exit_status(longer.kind), longer.message);
}

/* The server answers, but what it has cannot be taken over. */
static void refused(struct supervisor *s, const struct attempt_result *r, const struct err *err)
{
	struct resizing *z = &s->resizing;

	if (r->export.size != z->odd_size && !z->asked)
		log_warning("/dev/nbd%d: %s", s->at.index, err->message);
	z->odd_size = r->export.size;
	end(s, err_exit_status(err->kind), err->message);
}

static void same_size(struct supervisor *s)
{
	char size[64];
	struct err err;

	err_set(&err, ERR_FAILED, 0, "/dev/nbd%d has the export's size, %s", s->at.index,
		size_text(s->at.plan.size, size, sizeof(size)));
	s->resizing.odd_size = 0;
	end(s, 0, err.message);
}

static void connected(struct attempt *a, int ret, struct attempt_result *result,
		      const struct err *err, void *arg);

/*
 * Beside living connections, only the server that they lead to is asked. Who serves a connection
 * can be told only while the server keeps it open.
 */
static int dial(struct supervisor *s, enum nego_goal goal, struct err *err)
{
	const struct address_list *known = reconnect_addresses(s->reconnect);
	struct address_list one = {.n = 1, .item = {known->item[0]}};
	struct attempt_config cfg = {
	    .endpoint = reconnect_endpoint(s->reconnect),
	    .addresses = known->n ? &one : NULL,
	    .source = s->cfg.source,
	    .peer_uid = s->cfg.peer_uid,
	    .goal = s->cfg.peer_uid ? NEGO_GOAL_GO : goal,
	    .timeout_ms = s->cfg.connect_timeout_ms,
	    .peer_timeout_ms = s->cfg.peer_timeout_ms,
	    .helpers = reconnect_helpers(s->reconnect),
	    .thrifty = true,
	};

	return attempt_new(s->env.loop, &cfg, connected, NULL, s, &s->resizing.attempt, err);
}

/* One answer: first the size, then as many connections as the device has. */
static void answered(struct supervisor *s, struct attempt_result *result)
{
	struct resizing *z = &s->resizing;
	bool first = z->size == 0;
	uint64_t size = 0;
	struct err err;

	z->every = 1;
	if (check(s, result, &size, &err) < 0) {
		refused(s, result, &err);
		return;
	}
	/* It may change between two of them: what all of them know is what can be used. */
	z->size = first || size < z->size ? size : z->size;
	if (z->size == s->at.plan.size) {
		same_size(s);
		return;
	}
	if (!links_may_end(s->links)) {
		end(s, err_exit_status(ERR_FAILED),
		    "the connections were made by a supervisor that has died, and cannot be "
		    "replaced: the device takes the export's size when it is connected again");
		return;
	}
	if (!first) {
		z->fd[z->n++] = TAKE_FD(result->fd);
		serving_note_tls(&s->serving, &s->at, reconnect_endpoint(s->reconnect),
				 &result->tls, result->relay);
	}
	if (z->n < links_wanted(s->links)) {
		if (dial(s, NEGO_GOAL_GO, &err) < 0)
			end(s, err_exit_status(err.kind), err.message);
		return;
	}
	z->renewed = false;
	z->quiet = 0;
	z->uncounted = false;
	z->since = loop_now();
	loop_timer_set(z->look, 0);
}

static void connected(struct attempt *a, int ret, struct attempt_result *result,
		      const struct err *err, void *arg)
{
	struct supervisor *s = arg;
	struct err fill;

	s->resizing.attempt = NULL;
	if (ret < 0)
		unanswered(s, err);
	else if (s->state != FSM_ATTACHED)
		lost_meanwhile(s);
	else
		answered(s, result);
	attempt_free(a);
	if (helpers_fill(s->helpers, &fill) < 0)
		log_warning("%s", fill.message);
}

/* A look is under way, or what came of it. */
static bool busy(const struct supervisor *s)
{
	return s->resizing.attempt || s->resizing.size || s->growing;
}

static bool start(struct supervisor *s, struct err *err)
{
	struct resizing *z = &s->resizing;

	if (!s->cfg.reconnect)
		return err_set(err, ERR_FAILED, EINVAL,
			       "it was attached with --no-reconnect, and its connections know the "
			       "old size only: detach it and attach it again") == 0;
	if (!sysfs_kernel_since(5, 8) && links_wanted(s->links) == 1)
		return err_set(err, ERR_SYSTEM, ENOTSUP,
			       "this kernel cannot replace a single connection (5.8 can): detach "
			       "the device and attach it again for the new size") == 0;
	if (!z->look)
		z->look = loop_timer_new(s->env.loop, look, s);
	if (!z->look)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory") == 0;
	return dial(s, NEGO_GOAL_INFO, err) == 0;
}

static void arm(struct supervisor *s)
{
	struct resizing *z = &s->resizing;

	if (z->period)
		loop_timer_set(z->period, s->cfg.watch_size_s * 1000 * z->every);
}

static void period_over(void *arg)
{
	struct supervisor *s = arg;
	struct err err;

	if (s->state == FSM_ATTACHED && !busy(s) && !start(s, &err))
		log_debug("/dev/nbd%d: --resize: %s", s->at.index, err.message);
	arm(s);
}

void supervisor_watch_size(struct supervisor *s)
{
	struct resizing *z = &s->resizing;

	z->every = 1;
	if (s->cfg.watch_size_s && !z->period)
		z->period = loop_timer_new(s->env.loop, period_over, s);
	arm(s);
}

void supervisor_resize(struct supervisor *s)
{
	struct resizing *z = &s->resizing;
	struct err err;

	z->asked = true;
	if (s->state == FSM_DETACHING || s->state == FSM_LEAVING)
		answer(s, err_exit_status(ERR_BUSY), "the device is being detached");
	else if (!kernel_can_change(s->env.kernel))
		answer(s, err_exit_status(ERR_SYSTEM),
		       "a device that was attached with ioctl cannot be resized: detach it and "
		       "attach it again");
	else if (!busy(s) && s->state != FSM_ATTACHED)
		lost_meanwhile(s);
	else if (!busy(s) && !start(s, &err))
		end(s, err_exit_status(err.kind), err.message);
}

void supervisor_stop_resizing(struct supervisor *s)
{
	struct resizing *z = &s->resizing;

	if (busy(s))
		end(s, err_exit_status(ERR_BUSY), "the device is being detached");
	loop_timer_free(TAKE_PTR(z->look));
	loop_timer_free(TAKE_PTR(z->period));
}
