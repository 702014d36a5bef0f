/* SPDX-License-Identifier: MIT */
#include "supervise/report/alarm.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "kernel/usage.h"

/* ms after the beginning of the outage; the default dead timeout is 10 minutes. */
static const uint64_t alarm_at[] = {30000, 120000, 300000, 540000};

#define ALARMS (sizeof(alarm_at) / sizeof(alarm_at[0]))

/* A job of the thread; it may outlive the part if it is blocked. */
struct look {
	struct alarm *alarm;
	unsigned outage; /* the outage in which it began */
	int index;
	int ret;
	struct usage usage;
};

struct alarm {
	const struct part_env *env;
	const struct alarm_events *events;
	void *arg;
	struct loop_timer *timer;
	bool looks;
	struct offload *thread; /* from the first look of an outage to its end */
	struct look *look;	/* the current one */
	bool on;
	unsigned outage; /* number of outages so far */
	unsigned number; /* of the next alarm */
};

uint64_t alarm_delay(unsigned number)
{
	if (number >= ALARMS)
		return 0;
	return alarm_at[number] - (number ? alarm_at[number - 1] : 0);
}

static void arm(struct alarm *a)
{
	uint64_t delay = alarm_delay(a->number);

	if (delay)
		loop_timer_set(a->timer, delay);
}

static void work(void *arg)
{
	struct look *l = arg;
	struct err err;

	l->ret = usage_find(l->index, 0, &l->usage, &err);
}

static void looked(void *arg)
{
	struct look *l = arg;
	struct alarm *a = l->alarm;

	a->look = NULL;
	if (a->on && l->outage == a->outage)
		a->events->due(l->ret == 0 ? l->usage.sentence : "", a->arg);
	free(l);
}

/* False: the alarm is sent without a look. */
static bool begin_look(struct alarm *a)
{
	struct look *l;

	if (!a->looks || a->look)
		return false;
	if (!a->thread)
		a->thread = offload_new(a->env->loop);
	if (!a->thread || offload_start(a->thread) < 0)
		return false;
	l = calloc(1, sizeof(*l));
	if (!l)
		return false;
	*l = (struct look){.alarm = a, .outage = a->outage, .index = a->env->at->index};
	a->look = l;
	if (offload_run(a->thread, work, looked, l) == 0)
		return true;
	a->look = NULL;
	free(l);
	return false;
}

static void due(void *arg)
{
	struct alarm *a = arg;

	a->number++;
	arm(a);
	if (!begin_look(a))
		a->events->due("", a->arg);
}

struct alarm *alarm_new(const struct part_env *env, bool look, const struct alarm_events *events,
			void *arg)
{
	struct alarm *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	*a = (struct alarm){.env = env, .events = events, .arg = arg, .looks = look};
	a->timer = loop_timer_new(env->loop, due, a);
	if (a->timer)
		return a;
	free(a);
	return NULL;
}

void alarm_free(struct alarm *a)
{
	if (!a)
		return;
	/* The struct of a blocked look is not freed, and its thread is not ended. */
	if (offload_free(a->thread))
		free(a->look);
	loop_timer_free(a->timer);
	free(a);
}

void alarm_begin(struct alarm *a)
{
	if (!a || a->on)
		return;
	if (!a->look) /* a look that returned after the end of its outage has left its thread */
		offload_free(TAKE_PTR(a->thread));
	a->on = true;
	a->outage++;
	a->number = 0;
	arm(a);
}

void alarm_end(struct alarm *a)
{
	if (!a)
		return;
	a->on = false;
	loop_timer_cancel(a->timer);
	if (!a->look)
		offload_free(TAKE_PTR(a->thread));
}
