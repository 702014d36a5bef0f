/* SPDX-License-Identifier: MIT */
/* Long: one state, that of the attempts under way. */
#include "supervise/reconnect/redial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "supervise/watch/links.h"
#include "transport/scopes.h"

#define OVERLAP_MS	   1000 /* a server that greets later than this may be stopped */
#define OVERLAP_MAX_MS	   30000
#define PATIENCE_MAX_MS	   300000 /* the most time that an attempt gets */
#define FRESH_MS	   1000	  /* a younger attempt may still be under way */
#define REFUSED_MIN_MS	   1000	  /* after a refusal: a new server may not have its exports yet */
#define REFUSED_MAX_MS	   3000
#define CRASHES		   3	/* in a row, after which the pause grows: it may be an attack */
#define CRASH_PAUSE_MS	   5000 /* the first pause; each is twice the one before */
#define CRASH_PAUSE_MAX_MS 300000

struct
try {
	struct attempt *attempt; /* NULL: free */
	uint64_t since;
};

struct redial {
	struct loop *loop;
	struct redial_config cfg;
	redial_fn *fn;
	void *arg;
	struct address_list addresses;
	struct address_list bound; /* the one address to dial; empty: any of the above */
	struct scopes scopes;
	struct backoff backoff;
	struct loop_timer *timer;
	uint64_t next; /* when the timer is due; 0: not running */
	unsigned wanted;
	bool answered;	  /* the server answers: make all wanted connections in parallel */
	bool refused;	  /* the last answer was a refusal */
	unsigned crashes; /* of handshake processes, in a row */
	unsigned silent;  /* connections in a row that got no answer in time, or have none yet */
	unsigned tries;
	struct try try[LINKS_MAX];
};

static uint32_t random_bits(void)
{
	uint32_t bits = 0;

	/* Not for secrets; on failure, 0 is an acceptable delay. */
	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
		return 0;
	return bits;
}

static void drop(struct try *t)
{
	attempt_free(TAKE_PTR(t->attempt));
}

static void drop_all(struct redial *r)
{
	for (size_t i = 0; i < LINKS_MAX; i++)
		drop(&r->try[i]);
}

static void arm(struct redial *r, uint64_t delay)
{
	r->next = loop_now() + delay;
	loop_timer_set(r->timer, delay);
}

static void stop(struct redial *r)
{
	drop_all(r);
	loop_timer_cancel(r->timer);
	r->next = 0;
	r->wanted = 0;
}

static unsigned under_way(const struct redial *r)
{
	unsigned n = 0;

	for (size_t i = 0; i < LINKS_MAX; i++)
		n += r->try[i].attempt != NULL;
	return n;
}

void redial_prefer(struct redial *r, const struct address *peer)
{
	for (size_t i = 0; i < r->addresses.n; i++) {
		if (!address_equal(&r->addresses.item[i], peer))
			continue;
		for (; i > 0; i--)
			r->addresses.item[i] = r->addresses.item[i - 1];
		r->addresses.item[0] = *peer;
	}
}

static void learn(struct redial *r, const struct attempt_result *result)
{
	bool new = r->cfg.follow_dns || r->addresses.n == 0;

	for (size_t i = 0; new &&i < result->addresses.n; i++)
		address_list_add(&r->addresses, &result->addresses.item[i]);
	scopes_note(&r->scopes, &r->addresses);
	redial_prefer(r, &result->peer);
}

static void bind_to(struct redial *r, const struct address *peer)
{
	r->bound = (struct address_list){.n = 1, .item = {*peer}};
}

static uint32_t pause_after_crashes(const struct redial *r)
{
	unsigned doubled = r->crashes - CRASHES;

	if (doubled > 6 || CRASH_PAUSE_MS << doubled > CRASH_PAUSE_MAX_MS)
		return CRASH_PAUSE_MAX_MS;
	return CRASH_PAUSE_MS << doubled;
}

/*
 * Each crash of a worker may tell a hostile server something, so the rate of attempts is limited.
 */
static void count_crashes(struct redial *r, int ret, const struct err *err)
{
	if (ret == 0 || (err->kind == ERR_PERMANENT && ret != -ECHILD))
		r->crashes = 0;
	if (ret != -ECHILD || err->kind != ERR_PERMANENT || ++r->crashes < CRASHES)
		return;
	arm(r, pause_after_crashes(r));
	log_error("%u handshake processes in a row have crashed: I/O waits, and the next attempt "
		  "is in %u s; check the server, because this may be an attack",
		  r->crashes, pause_after_crashes(r) / 1000);
}

/*
 * A server that accepts connections and does not answer may have many clients to serve, and a
 * connection that its client has given up costs it as much time as any other. So each silent
 * connection makes the next one come later, and gives it more time (four times as much). Without
 * this, 10,000 clients keep a server that greets 200 of them a second busy for ever with
 * connections that they have given up (make herd).
 */
static uint32_t grown(const struct redial *r, uint32_t ms, uint32_t most)
{
	uint64_t grown_ms = (uint64_t)ms << 2 * (r->silent < 8 ? r->silent : 8);

	return grown_ms < most ? (uint32_t)grown_ms : ms < most ? most : ms;
}

static void go_parallel(struct redial *r);

static void tried(struct attempt *a, int ret, struct attempt_result *result, const struct err *err,
		  void *arg)
{
	struct redial *r = arg;

	for (size_t i = 0; i < LINKS_MAX; i++)
		if (r->try[i].attempt == a)
			r->try[i].attempt = NULL;
	count_crashes(r, ret, err);
	if (ret == -ETIMEDOUT)
		r->silent += attempt_connected(a);
	else
		r->silent = 0;
	if (ret == 0 && r->bound.n && !address_equal(&result->peer, &r->bound.item[0])) {
		/*
		 * A late answer of another server while one is in use is not wanted: its socket is
		 * closed.
		 */
	} else if (ret == 0) {
		learn(r, result);
		if (r->fn(0, result, NULL, r->arg)) {
			bind_to(r, &result->peer);
			r->refused = false;
			r->answered = true;
			if (r->wanted > 0)
				r->wanted--;
		} else {
			r->refused = true;
		}
	} else {
		r->refused = err->kind == ERR_PERMANENT;
		r->answered = false;
		r->fn(ret, NULL, err, r->arg);
	}
	attempt_free(a);
	if (r->wanted == 0)
		stop(r);
	else if (r->answered && !r->refused)
		go_parallel(r);
}

/* An attempt in parallel begins with another address: the first may accept and then be silent. */
static void rotate(struct address_list *list, unsigned by)
{
	struct address first;

	for (unsigned i = 0; list->n > 1 && i < by % list->n; i++) {
		first = list->item[0];
		memmove(list->item, list->item + 1, (list->n - 1) * sizeof(first));
		list->item[list->n - 1] = first;
	}
}

static struct address_list to_dial(struct redial *r)
{
	scopes_renew(&r->scopes, &r->addresses);
	scopes_renew(&r->scopes, &r->bound);
	return r->bound.n ? r->bound : r->addresses;
}

/* Returns false if no attempt could be started. */
static bool start(struct redial *r)
{
	bool resolve =
	    r->bound.n == 0 && (r->addresses.n == 0 || (r->cfg.follow_dns && r->tries++ % 2 == 1));
	struct address_list known = to_dial(r);
	struct attempt_config cfg = {
	    .endpoint = r->cfg.endpoint,
	    .addresses = resolve ? NULL : &known,
	    .source = r->cfg.source,
	    .peer_uid = r->cfg.peer_uid,
	    .goal = NEGO_GOAL_GO,
	    .timeout_ms = grown(r, r->cfg.timeout_ms, PATIENCE_MAX_MS),
	    .peer_timeout_ms = r->cfg.peer_timeout_ms,
	    .helpers = r->cfg.helpers,
	    .thrifty = true,
	    .patient = !resolve,
	    .sample = r->cfg.sample,
	    .sample_size = r->cfg.sample_size,
	};
	struct err err;
	size_t slot = 0;

	rotate(&known, under_way(r));
	while (slot < LINKS_MAX && r->try[slot].attempt)
		slot++;
	if (slot == LINKS_MAX)
		return false;
	r->try[slot].since = loop_now();
	if (attempt_new(r->loop, &cfg, tried, NULL, r, &r->try[slot].attempt, &err) < 0) {
		r->try[slot].attempt = NULL;
		r->fn(-1, NULL, &err, r->arg);
		return false;
	}
	return true;
}

static void go_parallel(struct redial *r)
{
	while (under_way(r) < r->wanted && under_way(r) < LINKS_MAX)
		if (!start(r))
			return;
}

/* True if another attempt is useful; makes room for it. */
static bool make_room(struct redial *r)
{
	struct try *young = NULL;
	uint64_t now = loop_now();
	unsigned n = 0;

	for (size_t i = 0; i < LINKS_MAX; i++) {
		struct try *t = &r->try[i];

		if (!t->attempt)
			continue;
		n++;
		if (!young || t->since > young->since)
			young = t;
	}
	if (n == 0)
		return true;
	/* Another one would wait for the same files. */
	if (attempt_waits_for_keys(young->attempt))
		return false;
	if (attempt_connected(young->attempt)) {
		if (now - young->since < grown(r, OVERLAP_MS, OVERLAP_MAX_MS))
			return false;
		r->silent++;
		/* The oldest attempt may belong to a slow server, so it keeps its full time. */
		if (n > r->wanted)
			drop(young);
	} else if (n > 1) {
		drop(young);
	}
	return true;
}

static uint32_t pause_after_refusal(void)
{
	return REFUSED_MIN_MS + random_bits() % (REFUSED_MAX_MS - REFUSED_MIN_MS);
}

static void due(void *arg)
{
	struct redial *r = arg;

	arm(r, r->crashes >= CRASHES ? pause_after_crashes(r)
	       : r->refused	     ? pause_after_refusal()
				     : backoff_next(&r->backoff, loop_now(), random_bits()));
	if (make_room(r))
		start(r);
}

struct redial *redial_new(struct loop *loop, const struct redial_config *cfg, redial_fn *fn,
			  void *arg)
{
	struct redial *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct redial){.loop = loop, .cfg = *cfg, .fn = fn, .arg = arg};
	r->addresses = *cfg->addresses;
	scopes_note(&r->scopes, &r->addresses);
	r->cfg.addresses = NULL;
	backoff_start(&r->backoff, &r->cfg.backoff, loop_now());
	r->timer = loop_timer_new(loop, due, r);
	if (!r->timer) {
		free(r);
		return NULL;
	}
	return r;
}

void redial_free(struct redial *r)
{
	if (!r)
		return;
	drop_all(r);
	loop_timer_free(r->timer);
	free(r);
}

void redial_want(struct redial *r, unsigned n, bool again, bool beside)
{
	uint64_t now = loop_now();
	bool running = r->wanted > 0;

	if (n == 0) {
		stop(r);
		return;
	}
	r->wanted = n;
	if (!beside)
		r->bound.n = 0;
	else if (r->bound.n == 0 && r->addresses.n > 0)
		bind_to(r, &r->addresses.item[0]);
	if (running)
		return;
	r->answered = false;
	r->silent = 0;
	if (!again)
		backoff_start(&r->backoff, &r->cfg.backoff, now);
	arm(r, backoff_next(&r->backoff, now, random_bits()));
}

void redial_now(struct redial *r)
{
	if (r->wanted == 0)
		return;
	for (size_t i = 0; i < LINKS_MAX; i++)
		if (r->try[i].attempt && !attempt_connected(r->try[i].attempt) &&
		    loop_now() - r->try[i].since >= FRESH_MS)
			drop(&r->try[i]);
	backoff_again(&r->backoff);
	r->refused = false;
	r->silent = 0;
	/* A server on this machine has few clients, so the delays need no jitter. */
	arm(r, r->cfg.endpoint->type == ENDPOINT_UNIX
		   ? 0
		   : backoff_next(&r->backoff, loop_now(), random_bits()));
}

void redial_aim(struct redial *r, const struct endpoint *endpoint, struct helpers *helpers,
		const struct address_list *addresses, bool at_once)
{
	drop_all(r);
	r->cfg.endpoint = endpoint;
	r->cfg.helpers = helpers;
	r->addresses = *addresses;
	scopes_note(&r->scopes, &r->addresses);
	r->bound.n = 0;
	r->answered = false;
	r->refused = false;
	r->silent = 0;
	if (r->wanted)
		arm(r, at_once ? 0 : backoff_next(&r->backoff, loop_now(), random_bits()));
}

bool redial_connected(const struct redial *r)
{
	for (size_t i = 0; i < LINKS_MAX; i++)
		if (r->try[i].attempt && attempt_connected(r->try[i].attempt))
			return true;
	return false;
}

const struct address_list *redial_addresses(const struct redial *r)
{
	return &r->addresses;
}

uint64_t redial_next(const struct redial *r)
{
	return r->next;
}
