/* SPDX-License-Identifier: MIT */
#include "supervise/farewell/farewell.h"

#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/quiet.h"
#include "kernel/sysfs.h"

#define LOOK_MS 5 /* between two looks whether the device is idle */

struct farewell {
	const struct part_env *env;
	struct farewell_config cfg;
	const struct farewell_events *events;
	void *arg;
	struct loop_timer *look;
	struct quiet quiet;
	bool searching;
	bool said;	/* that no moment was found */
	uint64_t since; /* monotonic ms: the last search began; 0: there was none */
	uint64_t ended; /* the same for the last end of connections */
	int64_t last;	/* the same in seconds since 1970 */
};

static bool is_due(const struct farewell *f, uint64_t now)
{
	return (f->since == 0 || now - f->since >= f->cfg.pause_ms) &&
	       (f->ended == 0 || now - f->ended >= f->cfg.pause_ms);
}

static bool may(const struct farewell *f, struct farewell_view *ret_view)
{
	f->events->look(ret_view, f->arg);
	return ret_view->leaving && ret_view->may && links_may_end(f->cfg.links);
}

static bool is_moment(struct farewell *f, const struct farewell_view *view)
{
	struct sysfs_progress seen;

	/* Before the look, so that data sent after it shows. */
	links_remember(f->cfg.links);
	return sysfs_progress(f->env->at->index, &seen) == 0 &&
	       quiet_look(&f->quiet, &seen, view->uncounted, loop_now());
}

static void look_for_moment(void *arg)
{
	struct farewell *f = arg;
	struct farewell_view view;
	uint64_t now = loop_now();

	if (!may(f, &view)) {
		/* The search was cut short, so the next one may come at once. */
		f->searching = false;
		f->since = 0;
	} else if (is_moment(f, &view)) {
		f->searching = false;
		f->ended = now;
		f->last = time(NULL);
		f->said = false;
		f->events->end(f->arg);
	} else if (now - f->since < f->cfg.moment_ms) {
		loop_timer_set(f->look, LOOK_MS);
	} else {
		f->searching = false;
		if (f->said)
			return;
		f->said = true;
		log_notice("/dev/nbd%d: the device was never without requests for 0.1 s: it keeps "
			   "its connections to the server that is shutting down",
			   f->env->at->index);
	}
}

void farewell_look(struct farewell *f)
{
	struct farewell_view view;
	uint64_t now = loop_now();

	if (f->searching || !is_due(f, now) || !may(f, &view))
		return;
	f->searching = true;
	f->since = now;
	quiet_restart(&f->quiet);
	look_for_moment(f);
}

void farewell_inherit(struct farewell *f, int64_t last, int64_t wall)
{
	uint64_t now = loop_now(), ago = 0;

	if (last <= 0)
		return;
	/* If the clock was set back, no pause has passed for certain. */
	if (last < wall)
		ago = (uint64_t)(wall - last);
	if (ago >= f->cfg.pause_ms / 1000 + 1 || ago * 1000 >= now)
		return;
	f->ended = now - ago * 1000;
	f->last = last;
}

void farewell_report(const struct farewell *f, struct state *ret_state)
{
	ret_state->farewell_at = f ? f->last : 0;
}

struct farewell *farewell_new(const struct part_env *env, const struct farewell_config *cfg,
			      const struct farewell_events *events, void *arg)
{
	struct farewell *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct farewell){.env = env, .cfg = *cfg, .events = events, .arg = arg};
	f->quiet.unseen_ms = env->at->resent_ms;
	f->look = loop_timer_new(env->loop, look_for_moment, f);
	if (f->look)
		return f;
	free(f);
	return NULL;
}

void farewell_free(struct farewell *f)
{
	if (!f)
		return;
	loop_timer_free(f->look);
	free(f);
}
