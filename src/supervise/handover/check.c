/* SPDX-License-Identifier: MIT */
#include "supervise/handover/check.h"

#include <stdlib.h>

#include "supervise/handover/work.h"

struct check {
	const struct part_env *env;
	check_gone_fn *gone;
	void *arg;
	struct heal job; /* belongs to the helper thread while `runs` */
	bool runs;
};

struct check *check_new(const struct part_env *env, check_gone_fn *gone, void *arg)
{
	struct check *c = calloc(1, sizeof(*c));

	if (c)
		*c = (struct check){.env = env, .gone = gone, .arg = arg};
	return c;
}

void check_free(struct check *c)
{
	free(c);
}

static void work(void *arg)
{
	heal_check_work(&((struct check *)arg)->job);
}

static void done(void *arg)
{
	struct check *c = arg;

	c->runs = false;
	if (c->job.gone)
		c->gone(c->arg);
}

void check_start(struct check *c)
{
	if (c->runs)
		return;
	heal_prepare(&c->job, c->env->kernel, c->env->at);
	c->runs = offload_run(c->env->offload, work, done, c) == 0;
}
