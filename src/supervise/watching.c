/* SPDX-License-Identifier: MIT */
/* Events of the watch, and what the supervisor does. */
#include "supervise/watching.h"

#include <errno.h>
#include <time.h>

#include "base/log.h"
#include "supervise/attach/takeover.h"
#include "supervise/core.h"
#include "supervise/resize/resize.h"
#include "supervise/steps.h"
#include "supervise/watch/watch.h"

void supervisor_look_at_errors(struct supervisor *s)
{
	struct kmsg_errors seen;
	struct errors *e = &s->errors;
	uint64_t before = e->seen.count;
	char number[16];

	if (!kmsg_errors(s->at.kmsg, &seen))
		return;
	if (seen.count != before)
		supervisor_touch(s);
	switch (errors_look(e, &seen, loop_now(), time(NULL))) {
	case ERRORS_NOTHING:
		break;
	case ERRORS_COUNT:
		log_warning("/dev/nbd%d: %s has answered %llu requests with an error, the last "
			    "with %s: the kernel reports an I/O error for each of them",
			    s->at.index, s->at.server, (unsigned long long)seen.count,
			    errors_name(seen.last, number, sizeof(number)));
		break;
	case ERRORS_LEAVING:
		log_warning("/dev/nbd%d: %s says that it is shutting down and answers requests "
			    "with an error, for each of which the kernel reports an I/O error; "
			    "it may wait for this device before it ends",
			    s->at.index, s->at.server);
		break;
	}
}

static void died(unsigned alive, void *arg)
{
	supervisor_look_at_errors(arg); /* it may have said that it is leaving */
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
	supervisor_look_at_errors(s);
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
