/* SPDX-License-Identifier: MIT */
/* Events of the watch, and what the supervisor does. */
#include "supervise/supervisor-private.h"

#include <errno.h>

#include "base/log.h"

static void died(unsigned alive, void *arg)
{
	supervisor_post(arg, alive == 0 ? FSM_LINKS_DEAD : FSM_LINK_DEAD, NULL);
}

static void gone(void *arg)
{
	supervisor_post(arg, FSM_TAKEN, NULL);
}

static void doubt(void *arg)
{
	struct supervisor *s = arg;

	if (s->state != FSM_GIVING)
		takeover_probe(s->takeover);
}

static void slept(uint64_t ms, void *arg)
{
	struct supervisor *s = arg;

	outage_slept(&s->outage, ms);
	supervisor_touch(s);
	s->hurry_due = "the machine woke up"; /* when the dead connections are counted */
}

static bool looked(bool quiet, void *arg)
{
	struct supervisor *s = arg;
	struct err err;

	if (s->state == FSM_ATTACHED && s->cfg.reconnect &&
	    spares_tend(&s->spares, s->helpers, loop_now(), &err) < 0)
		log_warning("/dev/nbd%d: %s", s->at.index, err.message);
	if (quiet)
		resize_grow_when_idle(s->resize);
	return resize_is_due(s->resize);
}

static void changed(void *arg)
{
	supervisor_touch(arg);
}

int supervisor_prepare_watch(struct supervisor *s)
{
	static const struct watch_events events = {
	    .died = died,
	    .gone = gone,
	    .doubt = doubt,
	    .slept = slept,
	    .looked = looked,
	    .changed = changed,
	};
	const struct watch_config cfg = {.peer_timeout_ms = s->cfg.peer_timeout_ms};

	s->watch = watch_new(&s->env, &cfg, &events, s);
	if (!s->watch)
		return -ENOMEM;
	s->links = watch_links(s->watch);
	return 0;
}
