/* SPDX-License-Identifier: MIT */
#include "supervise/outage.h"

#include <stdio.h>

#define FLAP_MS	    10000 /* an outage within this time after a recovery belongs to the one before */
#define USUAL_FLAPS 5

void outage_init(struct outage *o, uint64_t dead_timeout_s)
{
	*o = (struct outage){.dead_timeout_s = dead_timeout_s, .grace = GRACE_NONE};
}

void outage_inherit(struct outage *o, uint64_t since, bool held, uint32_t patience_ms)
{
	o->inherited = since;
	o->inherited_held = held;
	o->patience_ms = patience_ms;
}

static void go_on(struct outage *o, uint64_t now)
{
	if (o->inherited < now)
		o->since = o->inherited;
	o->held = o->inherited_held;
	o->spared = now + (o->dead_timeout_s < o->patience_ms / 1000 ? o->dead_timeout_s * 1000
								     : o->patience_ms);
	o->inherited = 0;
}

bool outage_begin(struct outage *o, uint64_t now, const char *cause)
{
	if (o->since)
		return false;
	o->flaps = o->recovered && now - o->recovered < FLAP_MS ? o->flaps + 1 : 0;
	o->since = now;
	o->held = false;
	o->spared = 0;
	if (o->inherited)
		go_on(o, now);
	o->count++;
	snprintf(o->cause, sizeof(o->cause), "%s", cause);
	return true;
}

bool outage_end(struct outage *o, uint64_t now)
{
	if (!o->since)
		return false;
	o->recovered = now;
	o->last_ms = now - o->since;
	o->total_ms += o->last_ms;
	o->since = 0;
	return true;
}

void outage_slept(struct outage *o, uint64_t ms)
{
	o->slept_ms += ms;
	o->count++;
	o->last_ms = ms;
	snprintf(o->cause, sizeof(o->cause), "the machine was suspended");
}

bool outage_set_grace(struct outage *o, uint64_t now, uint32_t seconds)
{
	bool news = (o->grace == GRACE_NONE) != (seconds == GRACE_NONE);

	o->grace = seconds;
	o->grace_since = now;
	return news;
}

void outage_hold(struct outage *o)
{
	o->held = true;
}

uint64_t outage_fails_at(const struct outage *o)
{
	uint64_t end = UINT64_MAX, grace_end;

	if (o->dead_timeout_s != OUTAGE_FOREVER && !o->held)
		end = o->since + o->dead_timeout_s * 1000;
	if (end < o->spared)
		end = o->spared;
	if (o->grace == GRACE_NONE)
		return end;
	grace_end =
	    (o->since > o->grace_since ? o->since : o->grace_since) + o->grace * UINT64_C(1000);
	return grace_end < end ? grace_end : end;
}

int64_t outage_fails_on(const struct outage *o, uint64_t now, int64_t wall_ms)
{
	uint64_t end = outage_fails_at(o);

	if (!o->since || end == UINT64_MAX)
		return 0;
	return (wall_ms + ((int64_t)end - (int64_t)now) + 500) / 1000;
}

bool outage_is_usual(const struct outage *o)
{
	return o->flaps >= USUAL_FLAPS;
}

bool outage_becomes_usual(const struct outage *o)
{
	return o->flaps == USUAL_FLAPS;
}

uint64_t outage_lasts(const struct outage *o, uint64_t now)
{
	return o->since && now > o->since ? now - o->since : 0;
}

void outage_report(const struct outage *o, uint64_t now, int64_t wall, struct state *ret_state)
{
	uint64_t present = o->since ? now - o->since : 0;

	ret_state->outages = o->count;
	ret_state->outage_since = o->since ? wall + ((int64_t)o->since - (int64_t)now) / 1000 : 0;
	ret_state->outage_began_ms = o->since;
	ret_state->outage_held = o->since && o->held;
	ret_state->last_outage_ms = o->since ? present : o->last_ms;
	ret_state->downtime_ms = o->total_ms + o->slept_ms + present;
	snprintf(ret_state->outage_cause, sizeof(ret_state->outage_cause), "%s", o->cause);
}
