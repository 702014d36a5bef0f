/* SPDX-License-Identifier: MIT */
/* Gets ready for an outage, in which memory may be short and files out of reach. */
#include "supervise/readying.h"

#include <errno.h>

#include "base/log.h"
#include "base/protect.h"
#include "supervise/core.h"
#include "supervise/reconnect/reconnect.h"

/* ms: when many devices are attached at once, those that are not yet get the processors first */
#define SPARES_MS 5000

static void fill(void *arg)
{
	struct supervisor *s = arg;
	struct err err;

	if (helpers_fill(s->helpers, &err) < 0)
		log_warning("%s", err.message);
}

int supervisor_prepare_spares(struct supervisor *s)
{
	s->filling = loop_timer_new(s->env.loop, fill, s);
	return s->filling ? 0 : -ENOMEM;
}

void supervisor_fill_spares_soon(struct supervisor *s)
{
	if (s->cfg.reconnect)
		loop_timer_set(s->filling, SPARES_MS);
}

void supervisor_protect_memory(struct supervisor *s)
{
	if (s->cfg.reconnect && !s->locked)
		protect_memory(s->cfg.connections);
	s->locked = s->cfg.reconnect;
}

void supervisor_get_ready(struct supervisor *s)
{
	supervisor_protect_memory(s);
	helpers_set(s->helpers, s->cfg.swap ? s->cfg.connections + READYING_SWAP_SPARES : 1, true);
	if (!s->cfg.swap && !protect_root())
		return;
	fill(s);
	if (s->cfg.swap)
		reconnect_listen(s->reconnect);
	reconnect_keep_files(s->reconnect);
}
