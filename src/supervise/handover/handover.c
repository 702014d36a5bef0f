/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define FLAP_MS		  10000 /* an outage so soon after a recovery belongs to the one before */
#define FLAPS_SAID	  5
#define DECLINES_BELIEVED 3   /* hand-overs in a row that the kernel had no use for */
#define HEAL_WAIT_MS	  50  /* between two looks whether the old connection has settled */
#define SETTLE_WAIT_MS	  250 /* the same while there is no new one yet */
#define FAIL_RETRY_MS	  200 /* the helper thread had no room for the job */

/* The sockets on their way into the kernel. */
static unsigned handing_over(const struct supervisor *s)
{
	return s->healing == HEAL_HANDS_OVER ? (unsigned)s->heal.n : 0;
}

static unsigned missing(const struct supervisor *s)
{
	unsigned have = links_alive(s->links) + (unsigned)s->n_fresh + handing_over(s);

	return have < links_wanted(s->links) ? links_wanted(s->links) - have : 0;
}

/* Another one may only go to where these go: in use, or about to be. */
static bool has_others(const struct supervisor *s)
{
	return links_alive(s->links) > 0 || s->n_fresh > 0 || handing_over(s) > 0;
}

/* Keeps at most `most` of the new connections. */
static void drop_fresh(struct supervisor *s, size_t most)
{
	while (s->n_fresh > most)
		close(s->fresh[--s->n_fresh]);
}

/* False: the helper thread still works on another job. */
static bool take_job(struct supervisor *s, enum heal_owner owner)
{
	if (s->healing != HEAL_NOBODY)
		return false;
	s->healing = owner;
	s->heal = (struct heal){.kernel = s->kernel,
				.index = s->index,
				.identifier = s->cfg.identifier,
				.mark = s->mark,
				.kmsg = s->kmsg};
	return true;
}

static void check_job(void *arg)
{
	heal_check_work(&((struct supervisor *)arg)->check);
}

static void checked(void *arg)
{
	struct supervisor *s = arg;

	s->checking = false;
	if (s->check.gone)
		supervisor_post(s, FSM_TAKEN, NULL);
}

/* Somebody else may have disconnected it while it is in use: nothing else tells. */
static void check_zombie(struct supervisor *s)
{
	if (s->checking)
		return;
	s->check = (struct heal){.kernel = s->kernel,
				 .index = s->index,
				 .identifier = s->cfg.identifier,
				 .mark = s->mark};
	s->checking = offload_run(s->offload, check_job, checked, s) == 0;
}

static void begin_outage(struct supervisor *s)
{
	struct outage *o = &s->outage;
	uint64_t now = loop_now();

	if (o->since)
		return;
	o->flaps = o->recovered && now - o->recovered < FLAP_MS ? o->flaps + 1 : 0;
	o->since = now;
	o->count++;
	supervisor_mark(s, true);
	check_zombie(s);
	snprintf(o->cause, sizeof(o->cause), "%s", s->report.cause);
	if (o->flaps == FLAPS_SAID)
		log_warning("/dev/nbd%d: the connection is lost again and again: further short "
			    "outages are not logged",
			    s->index);
}

/* When I/O begins to fail, in monotonic ms; UINT64_MAX: never. */
static uint64_t end_of_patience(const struct supervisor *s)
{
	uint64_t since = s->outage.since, end = UINT64_MAX, grace_end;

	if (s->cfg.dead_timeout_s != SUPERVISOR_FOREVER)
		end = since + s->cfg.dead_timeout_s * 1000;
	if (s->grace == GRACE_NONE)
		return end;
	grace_end = (since > s->grace_since ? since : s->grace_since) + s->grace * UINT64_C(1000);
	return grace_end < end ? grace_end : end;
}

/* Also after a detach that was refused, which has stopped the clock. */
static void arm_expiry(struct supervisor *s)
{
	uint64_t end = end_of_patience(s), now = loop_now();

	if (!s->cfg.reconnect || s->failing)
		return;
	queue_forget(&s->queue, FSM_EXPIRE);
	if (end == UINT64_MAX)
		loop_timer_cancel(s->expiry);
	else
		loop_timer_set(s->expiry, now < end ? end - now : 0);
}

void supervisor_set_grace(struct supervisor *s, uint32_t seconds)
{
	bool news = (s->grace == GRACE_NONE) != (seconds == GRACE_NONE);

	s->grace = seconds;
	s->grace_since = loop_now();
	if (s->outage.since && supervisor_dials(s)) {
		arm_expiry(s);
		if (news && seconds != GRACE_NONE)
			log_warning("/dev/nbd%d: the machine is shutting down: %s has %u s to come "
				    "back, then I/O fails",
				    s->index, s->report.address, seconds);
	}
}

static bool quiet(const struct supervisor *s)
{
	return s->outage.flaps >= FLAPS_SAID;
}

static void say_lost(const struct supervisor *s)
{
	char limit[48] = "";

	if (s->cfg.reconnect && s->cfg.dead_timeout_s != SUPERVISOR_FOREVER)
		snprintf(limit, sizeof(limit), ", for at most %llu s",
			 (unsigned long long)s->cfg.dead_timeout_s);
	if (s->state == FSM_DEGRADED)
		log_line(quiet(s) ? LOG_INFO : LOG_WARNING,
			 "/dev/nbd%d: a connection to %s is dead (%s), %u of %u are left", s->index,
			 s->report.address, s->report.cause, links_alive(s->links),
			 links_wanted(s->links));
	else if (s->cfg.reconnect)
		log_line(quiet(s) ? LOG_INFO : LOG_WARNING,
			 "/dev/nbd%d: the connection to %s is lost (%s): I/O waits%s while "
			 "nbd-attach reconnects",
			 s->index, s->report.address, s->report.cause, limit);
	else
		log_error("/dev/nbd%d: the connection to %s is lost (%s) and I/O fails; run "
			  "`nbd-attach --detach --force nbd%d`, then attach it again",
			  s->index, s->report.address, s->report.cause, s->index);
}

/* New connections stand ready that could not be handed over before. */
static void use_fresh(struct supervisor *s)
{
	if (s->n_fresh && s->healing == HEAL_NOBODY)
		supervisor_post(s, FSM_REDIALLED, NULL);
}

void supervisor_redial(struct supervisor *s, const struct event *e)
{
	bool news = s->alive_said != links_alive(s->links);

	(void)e;
	if (s->state == FSM_LOST) {
		begin_outage(s);
		arm_expiry(s);
	}
	if (news)
		say_lost(s);
	s->alive_said = links_alive(s->links);
	if (!s->cfg.reconnect || s->failing)
		supervisor_post(s, FSM_EXPIRE, NULL);
	if (!s->cfg.reconnect)
		return;
	/* Whether another connection is needed, and to which server, its result tells. */
	if (s->healing == HEAL_HANDS_OVER)
		return;
	supervisor_take_hints(s);
	if (!supervisor_may_dial(s))
		return;
	redial_want(s->redial, missing(s), s->outage.flaps > 0 || s->not_healed, has_others(s));
	supervisor_time_turn(s);
	if (links_graves(s->links))
		loop_timer_set(s->heal_wait, SETTLE_WAIT_MS);
	use_fresh(s);
}

void supervisor_stop_dialling(struct supervisor *s)
{
	supervisor_stop_turns(s);
	if (s->redial)
		redial_want(s->redial, 0, false, false);
	loop_timer_cancel(s->expiry);
	queue_forget(&s->queue, FSM_EXPIRE);
	loop_timer_cancel(s->heal_wait);
	hints_free(TAKE_PTR(s->hints));
	drop_fresh(s, 0);
}

static void heal_work_job(void *arg)
{
	heal_work(&((struct supervisor *)arg)->heal);
}

/*
 * The result counts in whatever state it arrives: a detach may have begun, and been given up,
 * while the kernel was at work.
 */
static void healed(void *arg)
{
	struct supervisor *s = arg;
	struct heal *h = &s->heal;
	bool any = false;
	unsigned alive;

	s->healing = HEAL_NOBODY;
	for (size_t i = 0; i < h->n; i++) {
		if (h->adopted[i] && links_add(s->links, h->fd[i]) == 0) {
			any = true;
			s->report.reconnects++;
			s->failing = s->failing && !h->restore;
			s->restore = s->restore && !h->restore;
			continue;
		}
		/* If the kernel has it after all, it learns that it is useless. */
		shutdown(h->fd[i], SHUT_RDWR);
		close(h->fd[i]);
	}
	if (h->err.message[0])
		log_info("/dev/nbd%d: %s", s->index, h->err.message);
	if (h->gone) {
		supervisor_post(s, FSM_TAKEN, NULL);
		return;
	}
	if (h->declined)
		links_kernel_says_alive(s->links);
	s->declines = h->declined && !any ? s->declines + 1 : 0;
	if (s->adopted && !s->guessed && s->declines >= DECLINES_BELIEVED)
		links_kernel_insists(s->links, loop_now());
	alive = links_alive(s->links);
	if (alive == links_wanted(s->links))
		s->declines = 0;
	if (h->declined && !any && alive > 0 && !supervisor_target_declined(s))
		drop_fresh(s, 0);
	s->not_healed = alive == 0;
	supervisor_post(s,
			alive == 0			 ? FSM_NOT_HEALED
			: alive < links_wanted(s->links) ? FSM_PART_HEALED
							 : FSM_HEALED,
			NULL);
}

bool supervisor_ended_clean(struct supervisor *s)
{
	struct sysfs_progress p;

	if (links_unclean(s->links) && sysfs_progress(s->index, &p) == 0 && p.counted &&
	    p.in_flight == 0)
		links_seen_idle(s->links);
	return !links_unclean(s->links);
}

/* Rules 1 and 6 of the data safety rules. */
static bool settled(struct supervisor *s)
{
	supervisor_ended_clean(s);
	if (!links_settled(s->links, loop_now()))
		return false;
	if (links_given_up(s->links))
		log_warning("/dev/nbd%d: the old connection was given up without a confirmation "
			    "from its server: if that server was only cut off, it may still carry "
			    "out old writes and overwrite newer data",
			    s->index);
	return true;
}

static void heal(struct supervisor *s);

/*
 * While an old connection may still deliver something. A server that serves one client at a time
 * greets no new one before the old one has ended, so it is attended to as soon as its host
 * answers again.
 */
void supervisor_settle(void *arg)
{
	struct supervisor *s = arg;

	if (!supervisor_dials(s))
		return;
	if (s->state == FSM_HEALING)
		heal(s);
	else if (!redial_connected(s->redial) || !settled(s))
		loop_timer_set(s->heal_wait, SETTLE_WAIT_MS);
}

static void heal(struct supervisor *s)
{
	struct heal *h = &s->heal;

	if (s->state != FSM_HEALING || s->healing)
		return;
	if (!settled(s)) {
		loop_timer_set(s->heal_wait, HEAL_WAIT_MS);
		return;
	}
	if (!take_job(s, HEAL_HANDS_OVER))
		return;
	/* Where it is a guess, what is safe with several only. */
	h->connections = links_wanted(s->links) + s->guessed;
	h->last_death = links_last_death(s->links);
	h->restore = s->failing || s->restore;
	h->timeout = s->cfg.timeout;
	h->dead_timeout = supervisor_kernel_dead_timeout(&s->cfg);
	h->io_timeout = supervisor_io_timeout(&s->cfg, links_wanted(s->links));
	h->n = s->n_fresh;
	memcpy(h->fd, s->fresh, s->n_fresh * sizeof(s->fresh[0]));
	s->n_fresh = 0;
	supervisor_hand_over_target(s);
	/* Before the kernel has it: a supervisor that takes over must know which server serves. */
	supervisor_write_state(s);
	if (offload_run(s->offload, heal_work_job, healed, s) < 0) {
		memset(h->adopted, 0, sizeof(h->adopted));
		healed(s);
	}
}

void supervisor_heal(struct supervisor *s, const struct event *e)
{
	(void)e;
	heal(s);
}

static void end_outage(struct supervisor *s)
{
	struct outage *o = &s->outage;

	if (!o->since)
		return;
	loop_timer_cancel(s->expiry);
	o->recovered = loop_now();
	o->last_ms = o->recovered - o->since;
	o->total_ms += o->last_ms;
	o->since = 0;
	supervisor_mark(s, false);
	log_line(quiet(s) ? LOG_INFO : LOG_NOTICE,
		 "/dev/nbd%d: connected to %s again after %llu.%01llu s", s->index,
		 s->report.address, (unsigned long long)o->last_ms / 1000,
		 (unsigned long long)o->last_ms / 100 % 10);
}

static void recover(struct supervisor *s)
{
	unsigned wanted = links_wanted(s->links), alive = links_alive(s->links);
	unsigned dead = wanted > alive ? wanted - alive : 0;
	bool outage = s->outage.since != 0;
	struct err err;

	/* A connection more than the device has would stand in the way of every later one. */
	drop_fresh(s, dead);
	s->fail_due = false;
	end_outage(s);
	s->alive_said = links_alive(s->links);
	supervisor_target_healed(s);
	s->accept = s->cfg.accept; /* what was accepted for this outage */
	s->report.error[0] = '\0';
	if (missing(s) == 0) {
		if (!s->cfg.swap)
			hints_free(TAKE_PTR(s->hints));
		if (!outage)
			log_line(quiet(s) ? LOG_INFO : LOG_NOTICE,
				 "/dev/nbd%d: all %u connections to %s are alive again", s->index,
				 links_wanted(s->links), s->report.address);
	}
	redial_want(s->redial, supervisor_may_dial(s) ? missing(s) : 0, s->declines > 0,
		    has_others(s));
	if (helpers_fill(s->helpers, &err) < 0)
		log_warning("%s", err.message);
	supervisor_start_watching(s);
	supervisor_probe(s);
	use_fresh(s);
}

void supervisor_recover(struct supervisor *s, const struct event *e)
{
	(void)e;
	recover(s);
}

void supervisor_recheck_outage(struct supervisor *s)
{
	if (s->outage.since && links_alive(s->links) > 0)
		recover(s);
}

void supervisor_complain(struct supervisor *s, const struct event *e)
{
	struct target *t = targets_aimed(&s->over.targets);

	if (strcmp(t->said, e->err.message) != 0)
		log_error("/dev/nbd%d: %s%s", s->index, e->err.message,
			  s->state == FSM_REFUSED ? " (I/O waits)" : "");
	snprintf(t->said, sizeof(t->said), "%s", e->err.message);
}

static void fail_work_job(void *arg)
{
	heal_fail_work(&((struct supervisor *)arg)->heal);
}

static void failed(void *arg)
{
	struct supervisor *s = arg;

	s->healing = HEAL_NOBODY;
	if (s->heal.gone)
		supervisor_post(s, FSM_TAKEN, NULL);
	else if (s->heal.err.message[0])
		log_warning("%s", s->heal.err.message);
	/* What came meanwhile had to wait for the helper thread. */
	if (s->state == FSM_HEALING)
		heal(s);
	else
		use_fresh(s);
}

static void fail_io(struct supervisor *s)
{
	if (s->cfg.reconnect && !s->failing)
		log_error("/dev/nbd%d: no connection for %llu s: I/O fails until the server is "
			  "back",
			  s->index,
			  (unsigned long long)(loop_now() - s->outage.since + 500) / 1000);
	s->failing = true;
	links_release(s->links);
	if (strcmp(s->kernel->ops->name, "ioctl") == 0)
		return; /* it fails by itself */
	/* It is being done; or I/O fails already, and a hand-over that comes to nothing leads here
	 * again. */
	if (!take_job(s, HEAL_FAILS_IO))
		return;
	s->fail_due = offload_run(s->offload, fail_work_job, failed, s) < 0;
	if (!s->fail_due)
		return;
	s->healing = HEAL_NOBODY;
	loop_timer_set(s->expiry, FAIL_RETRY_MS);
}

void supervisor_fail_io(struct supervisor *s, const struct event *e)
{
	(void)e;
	fail_io(s);
}

void supervisor_expire(void *arg)
{
	struct supervisor *s = arg;

	if (s->state == FSM_EXPIRED && s->fail_due)
		fail_io(s);
	else
		supervisor_post(s, FSM_EXPIRE, NULL);
}

bool supervisor_must_wait(const struct supervisor *s, enum fsm_event event)
{
	/* The result of the hand-over decides whether I/O has to fail, unless it fails already. */
	return event == FSM_EXPIRE && s->healing == HEAL_HANDS_OVER && !s->failing;
}
