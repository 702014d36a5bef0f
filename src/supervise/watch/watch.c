/* SPDX-License-Identifier: MIT */
#include "supervise/watch/watch.h"

#include <errno.h>
#include <stdio.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "endpoint/address.h"
#include "kernel/kmsg.h"
#include "kernel/sysfs.h"
#include "runtime/state.h"
#include "supervise/watch/progress.h"
#include "supervise/watch/wake.h"

#define SETTLE_MS	 100  /* between a hang-up and the check whether the device is gone */
#define LOST_INTERVAL_MS 2000 /* to find a detach of a lost device by another program */
#define SAMPLE_MS	 5000 /* an idle supervisor wakes up no more often */
#define SAMPLE_SOON_MS	 1000 /* data is unacknowledged, or a moment without requests is awaited */

struct watch {
	const struct part_env *env;
	struct watch_config cfg;
	const struct watch_events *events;
	void *arg;
	struct links *links;
	struct loop_io *kernel_io;
	struct loop_timer *settle, *sample;
	struct wake *wake; /* from the first watch_start() on; NULL: sleeps cannot be noticed */
	struct progress progress;
	bool paused;
	bool uncut;	    /* a silent connection cannot be cut, and that was logged */
	bool counts_writes; /* writes have been counted since the device was attached */
	uint64_t written;   /* requests that write, at that time */
	char cause[128];
};

static void settled(void *arg)
{
	watch_look(arg);
}

/* A links_fn. At first a hang-up looks the same as a detach by another program. */
static void link_died(unsigned alive, const char *why, void *arg)
{
	struct watch *w = arg;

	(void)alive;
	watch_set_cause(w, why);
	loop_timer_set(w->settle, SETTLE_MS);
}

/* A links_log_fn. */
static enum kmsg_cut ask_log(void *arg)
{
	const struct watch *w = arg;

	return kmsg_cut(w->env->at->kmsg);
}

static void take_sample(void *arg);

struct watch *watch_new(const struct part_env *env, const struct watch_config *cfg,
			const struct watch_events *events, void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct watch){.env = env, .cfg = *cfg, .events = events, .arg = arg};
	w->settle = loop_timer_new(env->loop, settled, w);
	w->sample = loop_timer_new(env->loop, take_sample, w);
	w->links = links_new(env->loop, link_died, w);
	if (w->links) {
		links_ask_log(w->links, ask_log);
		links_limit_peers(w->links, cfg->peer_timeout_ms);
	}
	if (w->links && !cfg->frugal)
		links_knock(w->links);
	if (w->settle && w->sample && w->links && links_know_relays(w->links, cfg->relays) == 0)
		return w;
	watch_free(w);
	return NULL;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	wake_free(w->wake);
	watch_stop_listening(w);
	links_free(w->links);
	loop_timer_free(w->settle);
	loop_timer_free(w->sample);
	free(w);
}

struct links *watch_links(const struct watch *w)
{
	return w->links;
}

void watch_look(struct watch *w)
{
	unsigned alive = links_alive(w->links);

	if (w->paused)
		return;
	if (!sysfs_mark_valid(w->env->at->mark))
		w->events->gone(w->arg);
	else if (alive < links_wanted(w->links))
		w->events->died(alive, w->arg);
	if (alive == 0)
		loop_timer_set(w->settle, LOST_INTERVAL_MS);
}

static void kernel_spoke(int fd, uint32_t events, void *arg)
{
	struct watch *w = arg;
	enum kernel_event event;

	(void)fd;
	(void)events;
	while ((event = kernel_next_event(w->env->kernel, w->env->at->index)) !=
	       KERNEL_EVENT_NONE) {
		if (event == KERNEL_EVENT_LINK_DEAD && w->env->at->taken_over)
			links_kernel_says_dead(w->links);
		else if (event == KERNEL_EVENT_OVERFLOW)
			w->events->doubt(w->arg);
		loop_timer_set(w->settle, SETTLE_MS);
	}
}

int watch_listen(struct watch *w)
{
	w->kernel_io =
	    loop_io_new(w->env->loop, kernel_event_fd(w->env->kernel), EPOLLIN, kernel_spoke, w);
	return w->kernel_io ? 0 : -ENOMEM;
}

void watch_stop_listening(struct watch *w)
{
	if (w)
		loop_io_free(TAKE_PTR(w->kernel_io));
}

static void say_stalled(const struct watch *w, uint64_t now)
{
	const struct attachment *at = w->env->at;
	const struct progress *p = &w->progress;

	if (p->stalled)
		log_warning("/dev/nbd%d: %s has completed no request for %llu s, with %u requests "
			    "under way: its connection is alive, so I/O waits",
			    at->index, at->server,
			    (unsigned long long)(now - p->completed_at) / 1000, p->in_flight);
	else
		log_notice("/dev/nbd%d: %s completes requests again", at->index, at->server);
}

/*
 * A server that holds requests and completes none is stalled, but its connection must not be cut.
 */
static void look_at_progress(struct watch *w, uint64_t now)
{
	bool was_stalled = w->progress.stalled, news;
	struct sysfs_progress seen;

	if (sysfs_progress(w->env->at->index, &seen) < 0)
		return;
	news = progress_look(&w->progress, &seen, now);
	/*
	 * Requests that wait for a dead connection whose end the driver did not report are not
	 * counted.
	 */
	if (w->progress.stalled || progress_is_quiet(&w->progress, now))
		w->events->doubt(w->arg);
	if (w->progress.stalled != was_stalled)
		say_stalled(w, now);
	if (news)
		w->events->changed(w->arg);
}

/*
 * A connection that cannot be cut is alive for the driver: it continues to send, and no other
 * replaces it.
 */
static void say_uncut(struct watch *w)
{
	bool uncut = links_uncut(w->links) > 0;

	if (uncut && !w->uncut)
		log_warning("/dev/nbd%d: the host of %s has acknowledged nothing for %u s, but a "
			    "supervisor that has died made the connection, and the kernel does not "
			    "let this one close it: I/O waits until TCP gives up",
			    w->env->at->index, w->env->at->server, w->cfg.peer_timeout_ms / 1000);
	w->uncut = uncut;
}

static void take_sample(void *arg)
{
	struct watch *w = arg;
	uint64_t now = loop_now();
	bool silent, soon;

	if (w->paused || links_alive(w->links) == 0)
		return;
	silent = links_sample(w->links, now, w->cfg.peer_timeout_ms);
	say_uncut(w);
	if (links_graves(w->links)) /* for a supervisor that takes over at this moment */
		w->events->changed(w->arg);
	look_at_progress(w, now);
	soon = w->events->looked(!silent, w->arg);
	soon = soon || silent || w->progress.stalled;
	loop_timer_set(w->sample, soon ? SAMPLE_SOON_MS : SAMPLE_MS);
}

/*
 * A sleep counts as an outage: the server may have gone. A live connection is not cut because of it
 * (the server's host may have slept, too), but dead ones are replaced at once.
 */
static void woke(uint64_t ms, void *arg)
{
	struct watch *w = arg;

	log_notice("/dev/nbd%d: the machine was suspended for %llu s: checking whether %s is still "
		   "there",
		   w->env->at->index, (unsigned long long)ms / 1000, w->env->at->server);
	watch_look(w);
	take_sample(w);
	w->events->slept(ms, w->arg);
}

void watch_start(struct watch *w, bool soon)
{
	w->paused = false;
	if (!w->wake)
		w->wake = wake_new(w->env->loop, woke, w);
	progress_restart(&w->progress, loop_now() + w->env->at->resent_ms);
	loop_timer_set(w->sample, soon ? SAMPLE_SOON_MS : SAMPLE_MS);
}

void watch_pause(struct watch *w)
{
	w->paused = true;
}

const char *watch_cause(const struct watch *w)
{
	return w->cause;
}

void watch_set_cause(struct watch *w, const char *why)
{
	snprintf(w->cause, sizeof(w->cause), "%s", why);
}

bool watch_is_stalled(const struct watch *w)
{
	return w->progress.stalled;
}

uint64_t watch_uncounted_at(const struct watch *w)
{
	return w->progress.uncounted_at;
}

void watch_note_writes(struct watch *w)
{
	const struct attachment *at = w->env->at;

	/* Writes before a takeover were not counted. */
	w->counts_writes = !at->taken_over && sysfs_written(at->index, &w->written) == 0;
}

bool watch_is_clean(const struct watch *w)
{
	const struct attachment *at = w->env->at;
	uint64_t written;

	if (attachment_is_read_only(at) || !attachment_flushes(at))
		return true;
	return w->counts_writes && sysfs_written(at->index, &written) == 0 && written == w->written;
}

/* "" for an address family without a text form. */
static void describe(const struct sockaddr_storage *sa, char *buf, size_t size)
{
	struct address a = {.sa = *sa};
	char text[ADDRESS_TEXT_MAX];

	buf[0] = '\0';
	if (sa->ss_family != AF_INET && sa->ss_family != AF_INET6)
		return;
	a.len = sa->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	address_describe(&a, text, sizeof(text));
	if (strlen(text) < size)
		memcpy(buf, text, strlen(text) + 1);
}

void watch_report(const struct watch *w, struct state *ret_state)
{
	struct state *r = ret_state;
	struct link_facts facts;

	r->stalled = w->progress.stalled;
	r->uncounted = w->progress.uncounted;
	r->in_flight = w->progress.in_flight;
	r->alive = links_alive(w->links);
	r->unsettled = links_unclean(w->links);
	r->unproved = links_unproved(w->links);
	r->connections = links_wanted(w->links);
	for (unsigned i = 0; i < r->alive && i < STATE_LINKS_MAX; i++) {
		links_facts(w->links, i, &facts);
		r->link[i] = (struct state_link){
		    .rtt_us = facts.rtt_us,
		    .retransmits = facts.retransmits,
		    .sent = facts.sent,
		    .received = facts.received,
		    .inode = facts.id.inode,
		};
		describe(&facts.id.local, r->link[i].local, sizeof(r->link[i].local));
		describe(&facts.id.peer, r->link[i].peer, sizeof(r->link[i].peer));
	}
}
