/* SPDX-License-Identifier: MIT */
#include "supervise/detach/detach.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "supervise/detach/release.h"

struct detach {
	const struct part_env *env;
	struct links *links;
	const struct detach_events *events;
	void *arg;
	struct release *release;
};

struct detach *detach_new(const struct part_env *env, struct links *links,
			  const struct detach_events *events, void *arg)
{
	struct detach *d = calloc(1, sizeof(*d));

	if (d)
		*d = (struct detach){.env = env, .links = links, .events = events, .arg = arg};
	return d;
}

void detach_free(struct detach *d)
{
	if (!d)
		return;
	release_free(d->release);
	free(d);
}

/* A release_fn. */
static void over(int ret, const struct err *err, void *arg)
{
	struct detach *d = arg;
	struct err why = *err; /* *err may be part of what is freed next */
	bool failed_io = d->release && release_failed_io(d->release);

	if (ret == -EINPROGRESS) {
		d->events->late(&why, d->arg);
		return;
	}
	release_free(TAKE_PTR(d->release));
	if (ret == 0)
		d->events->released(&why, d->arg);
	else
		d->events->kept(&why, failed_io, d->arg);
}

void detach_start(struct detach *d, const struct detach_wish *wish)
{
	const struct attachment *at = d->env->at;
	const struct release_config cfg = {
	    .index = at->index,
	    .identifier = at->identifier,
	    .mark = at->mark,
	    .kernel = d->env->kernel,
	    .offload = d->env->offload,
	    .links = d->links,
	    .resent_ms = at->resent_ms,
	    .read_only = attachment_is_read_only(at),
	    .force = wish->force,
	    .cautious = wish->cautious,
	    .prepared = wish->prepared,
	    .clean = wish->clean,
	    .waits = wish->waits,
	    .timeout = wish->timeout,
	    .dead_timeout = wish->dead_timeout,
	};
	struct err err;

	d->release = release_new(d->env->loop, &cfg, over, d);
	if (d->release)
		return;
	err_set(&err, ERR_SYSTEM, ENOMEM, "out of memory");
	over(-ENOMEM, &err, d);
}
