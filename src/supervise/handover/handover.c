/* SPDX-License-Identifier: MIT */
/* Long: the life of one job, whose steps belong together; work.c has the work of the job. */
#include "supervise/handover/handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hung-up.h"
#include "base/log.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"
#include "runtime/state.h"
#include "supervise/handover/check.h"
#include "supervise/handover/work.h"

#define DECLINES_BELIEVED 3    /* hand-overs in a row of which the kernel needed no socket */
#define HEAL_WAIT_MS	  50   /* between two checks whether the old connection has settled */
#define ATTEND_MS	  250  /* between two checks while no new connection is ready */
#define FAIL_RETRY_MS	  200  /* the helper thread had no room for the job */
#define FAIL_AGAIN_MS	  1000 /* the kernel could not be told to fail I/O */

/* The purpose of the timer. */
enum wait {
	WAIT_NOTHING,
	WAIT_ATTEND, /* for old connections to settle, while no new one is ready */
	WAIT_START,  /* the same before ready sockets are handed over, and for the job */
	WAIT_FAIL,   /* before the job that fails I/O is tried, or tried again */
};

struct handover {
	const struct part_env *env;
	struct handover_config cfg;
	const struct handover_events *events;
	void *arg;
	struct loop_timer *timer;
	enum wait wait;
	int fresh[KERNEL_CONNECTIONS_MAX]; /* new sockets that are ready */
	unsigned n_fresh;
	struct heal job;       /* belongs to the helper thread while `owner` says so */
	enum heal_owner owner; /* the kind of the job */
	struct check *check;
	bool restore;	     /* the kernel's timeouts may differ from ours */
	bool failing;	     /* I/O is to fail: the kernel was told so, or will be */
	bool fail_late;	     /* it could not be told that yet, and that was logged */
	bool stopped;	     /* handover_stop() was called, and nothing was started since */
	unsigned declines;   /* hand-overs in a row of which no socket was accepted */
	unsigned reconnects; /* connections that were replaced */
};

static void timer_over(void *arg);

struct handover *handover_new(const struct part_env *env, const struct handover_config *cfg,
			      const struct handover_events *events, void *arg)
{
	struct handover *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->env = env;
	h->cfg = *cfg;
	h->events = events;
	h->arg = arg;
	h->timer = loop_timer_new(env->loop, timer_over, h);
	h->check = check_new(env, events->gone, arg);
	if (h->timer && h->check)
		return h;
	handover_free(h);
	return NULL;
}

void handover_free(struct handover *h)
{
	if (!h)
		return;
	handover_keep(h, 0);
	check_free(h->check);
	loop_timer_free(h->timer);
	free(h);
}

static void wait_for(struct handover *h, enum wait wait, uint64_t delay_ms)
{
	h->wait = wait;
	if (wait == WAIT_NOTHING)
		loop_timer_cancel(h->timer);
	else
		loop_timer_set(h->timer, delay_ms);
}

/* --- the sockets that are ready ------------------------------------------------------------ */

bool handover_has_room(const struct handover *h)
{
	return h->n_fresh < KERNEL_CONNECTIONS_MAX;
}

void handover_add(struct handover *h, int fd)
{
	h->fresh[h->n_fresh++] = fd;
}

unsigned handover_ready(const struct handover *h)
{
	return h ? h->n_fresh : 0;
}

unsigned handover_under_way(const struct handover *h)
{
	return handover_is_handing_over(h) ? (unsigned)h->job.n : 0;
}

size_t handover_fds(const struct handover *h, int *fds)
{
	size_t n = handover_under_way(h);

	if (n)
		memcpy(fds, h->job.fd, n * sizeof(fds[0]));
	return n;
}

bool handover_may_offer(const struct handover *h)
{
	for (size_t i = 0; i < handover_under_way(h); i++)
		if (!hung_up(h->job.fd[i]))
			return true;
	return false;
}

void handover_keep(struct handover *h, unsigned most)
{
	while (h && h->n_fresh > most)
		close(h->fresh[--h->n_fresh]);
}

/* --- the one job ------------------------------------------------------------------------------ */

bool handover_is_busy(const struct handover *h)
{
	return h && h->owner != HEAL_NOBODY;
}

bool handover_is_handing_over(const struct handover *h)
{
	return h && h->owner == HEAL_HANDS_OVER;
}

static void take_over_results(struct handover *h, unsigned *ret_taken)
{
	struct heal *job = &h->job;

	for (size_t i = 0; i < job->n; i++) {
		if (job->adopted[i] && links_add(h->cfg.links, job->fd[i]) == 0) {
			(*ret_taken)++;
			h->failing = h->failing && !job->restore;
			h->restore = h->restore && !job->restore;
			continue;
		}
		/* If the kernel has the socket after all, it notices its end. */
		shutdown(job->fd[i], SHUT_RDWR);
		if (job->adopted[i] || job->doubted[i])
			links_bury_doubted(h->cfg.links, job->fd[i]);
		else
			close(job->fd[i]);
	}
	h->reconnects += *ret_taken;
}

/*
 * The driver has dropped the sockets, because it knows of no dead connection, but it has taken the
 * timeouts that came with them.
 */
static void restored(struct handover *h)
{
	h->failing = h->restore = false;
	if (h->job.io_timeout)
		tune_io_timeout_apart(h->job.index, h->job.io_timeout);
}

/* The result counts in every state: a detach may have begun and been given up meanwhile. */
static void handed_over(void *arg)
{
	struct handover *h = arg;
	const struct attachment *at = h->env->at;
	unsigned taken = 0;

	h->owner = HEAL_NOBODY;
	if (h->wait == WAIT_START) /* a request that came meanwhile is repeated, if needed */
		wait_for(h, WAIT_NOTHING, 0);
	take_over_results(h, &taken);
	if (h->job.err.message[0])
		log_info("/dev/nbd%d: %s", at->index, h->job.err.message);
	if (h->job.gone) {
		h->events->gone(h->arg);
		return;
	}
	if (h->job.declined)
		links_kernel_says_alive(h->cfg.links);
	h->declines = h->job.declined && !taken ? h->declines + 1 : 0;
	if (at->taken_over && !at->guessed && h->declines >= DECLINES_BELIEVED)
		links_kernel_insists(h->cfg.links, loop_now());
	if (h->job.declined && h->job.restore && !taken && links_alive(h->cfg.links) > 0)
		restored(h);
	if (links_alive(h->cfg.links) == links_wanted(h->cfg.links))
		h->declines = 0;
	h->events->ended(taken, h->job.declined, h->arg);
}

static void hand_over_work(void *arg)
{
	heal_work(&((struct handover *)arg)->job);
}

bool handover_ended_clean(struct handover *h)
{
	struct links *links = h->cfg.links;
	struct sysfs_progress p;

	if (links_unclean(links) && sysfs_progress(h->env->at->index, &p) == 0 && sysfs_is_idle(&p))
		links_seen_idle(links);
	return !links_unclean(links);
}

/* Rules 1 and 6 of the data safety rules. */
static bool settled(struct handover *h)
{
	handover_ended_clean(h);
	if (!links_settled(h->cfg.links, loop_now()))
		return false;
	if (links_given_up(h->cfg.links))
		log_warning("/dev/nbd%d: the old connection was given up without a confirmation "
			    "from its server: if that server was only cut off, it may still carry "
			    "out old writes and overwrite newer data",
			    h->env->at->index);
	return true;
}

static void hand_over(struct handover *h)
{
	unsigned wanted = links_wanted(h->cfg.links);
	struct heal *job = &h->job;

	wait_for(h, WAIT_NOTHING, 0);
	heal_prepare(job, h->env->kernel, h->env->at);
	h->owner = HEAL_HANDS_OVER;
	/* If the number is a guess, does only what is safe with several connections. */
	job->connections = wanted + h->env->at->guessed;
	job->last_death = links_last_death(h->cfg.links);
	job->restore = h->failing || h->restore;
	job->timeout = h->cfg.timeout;
	job->dead_timeout = h->cfg.dead_timeout;
	job->io_timeout = wanted == 1 ? h->cfg.io_timeout : h->cfg.io_timeout_several;
	job->n = h->n_fresh;
	memcpy(job->fd, h->fresh, h->n_fresh * sizeof(h->fresh[0]));
	h->n_fresh = 0;
	h->events->begins(h->arg);
	if (offload_run(h->env->offload, hand_over_work, handed_over, h) < 0) {
		memset(job->adopted, 0, sizeof(job->adopted));
		handed_over(h);
	}
}

/* The end of the present job calls this again. */
static void try_to_start(struct handover *h)
{
	if (h->owner != HEAL_NOBODY)
		return;
	if (settled(h))
		hand_over(h);
	else
		wait_for(h, WAIT_START, HEAL_WAIT_MS);
}

void handover_start(struct handover *h)
{
	h->stopped = false;
	loop_timer_cancel(h->timer);
	h->wait = WAIT_START;
	try_to_start(h);
}

/*
 * A server of one client greets no new one before the old one has ended, so the old connections are
 * checked as soon as its host answers again.
 */
void handover_attend(struct handover *h)
{
	if (h->wait == WAIT_NOTHING)
		wait_for(h, WAIT_ATTEND, ATTEND_MS);
}

void handover_rest(struct handover *h)
{
	if (h->wait == WAIT_ATTEND)
		wait_for(h, WAIT_NOTHING, 0);
}

void handover_stop(struct handover *h)
{
	if (!h)
		return;
	h->stopped = true;
	wait_for(h, WAIT_NOTHING, 0);
	handover_keep(h, 0);
}

bool handover_was_declined(const struct handover *h)
{
	return h->declines > 0;
}

/* --- failing waiting requests --------------------------------------------------------------- */

static void fail_work(void *arg)
{
	heal_fail_work(&((struct handover *)arg)->job);
}

/* Otherwise I/O would wait for as long as the server is away. */
static void fail_again(struct handover *h)
{
	log_line(h->fail_late ? LOG_DEBUG : LOG_WARNING,
		 "/dev/nbd%d: I/O that waits does not fail yet, because the kernel could not be "
		 "told (trying again): %s",
		 h->env->at->index, h->job.err.message);
	h->fail_late = true;
	wait_for(h, WAIT_FAIL, FAIL_AGAIN_MS);
}

static void failed(void *arg)
{
	struct handover *h = arg;
	bool again = h->job.err.message[0] != '\0';

	h->owner = HEAL_NOBODY;
	if (h->job.gone) {
		h->events->gone(h->arg);
		return;
	}
	h->fail_late = h->fail_late && again;
	if (h->wait == WAIT_START) {
		try_to_start(h); /* without success, I/O is failed after that */
		return;
	}
	if (again && !h->stopped)
		fail_again(h);
	h->events->idle(h->arg);
}

static void run_fail_work(struct handover *h)
{
	/*
	 * It is under way; or I/O fails already, and a hand-over without success requests it again.
	 */
	if (h->owner != HEAL_NOBODY)
		return;
	heal_prepare(&h->job, h->env->kernel, h->env->at);
	h->owner = HEAL_FAILS_IO;
	if (offload_run(h->env->offload, fail_work, failed, h) == 0)
		return;
	h->owner = HEAL_NOBODY;
	wait_for(h, WAIT_FAIL, FAIL_RETRY_MS);
}

static void fail_io(struct handover *h)
{
	h->stopped = false;
	/* Ready sockets are handed over after this job, which requests that again. */
	wait_for(h, links_graves(h->cfg.links) ? WAIT_ATTEND : WAIT_NOTHING, ATTEND_MS);
	run_fail_work(h);
}

void handover_fail_io(struct handover *h)
{
	if (!h)
		return;
	h->failing = true;
	/* The I/O of ioctl's devices fails by itself. */
	if (kernel_can_change(h->env->kernel))
		fail_io(h);
}

void handover_release(struct handover *h)
{
	if (!h)
		return;
	links_release(h->cfg.links);
	if (h->wait == WAIT_NOTHING && links_graves(h->cfg.links))
		wait_for(h, WAIT_ATTEND, ATTEND_MS);
}

bool handover_fails_io(const struct handover *h)
{
	return h && h->failing;
}

void handover_restore(struct handover *h)
{
	if (h)
		h->restore = true;
}

/* True if the server's host answers again, and no old connection has to be waited for any more. */
static bool attend(struct handover *h)
{
	return h->events->is_greeting(h->arg) && settled(h);
}

static void timer_over(void *arg)
{
	struct handover *h = arg;
	enum wait wait = h->wait;

	h->wait = WAIT_NOTHING;
	switch (wait) {
	case WAIT_NOTHING:
		break;
	case WAIT_ATTEND:
		if (!attend(h))
			wait_for(h, WAIT_ATTEND, ATTEND_MS);
		break;
	case WAIT_START:
		h->wait = WAIT_START; /* it keeps this value while a job is under way */
		try_to_start(h);
		break;
	case WAIT_FAIL:
		attend(h); /* this may go on for long */
		fail_io(h);
		break;
	}
}

void handover_check(struct handover *h)
{
	if (h)
		check_start(h->check);
}

void handover_report(const struct handover *h, struct state *ret_state)
{
	if (!h)
		return;
	ret_state->reconnects = h->reconnects;
	/* A connection that the next supervisor does not know may live, and end, meanwhile. */
	if (handover_is_handing_over(h))
		ret_state->unsettled = true;
}
