/* SPDX-License-Identifier: MIT */
/* Gets ready for an outage, in which memory may be short and files out of reach. */
#include "supervise/readying.h"

#include "base/log.h"
#include "base/protect.h"
#include "supervise/core.h"
#include "supervise/reconnect/reconnect.h"
#include "supervise/watch/links.h"

void supervisor_protect_memory(struct supervisor *s)
{
	if (s->cfg.reconnect && !s->locked)
		protect_memory();
	s->locked = s->cfg.reconnect;
}

void supervisor_get_ready(struct supervisor *s)
{
	struct err err;

	supervisor_protect_memory(s);
	if (s->locked)
		protect_heap(s->cfg.connections);
	helpers_set(s->helpers, s->cfg.swap ? s->cfg.connections + READYING_SWAP_SPARES : 1, true);
	/* Otherwise later, so that many devices can be attached at once. */
	if (!s->cfg.swap && !protect_root())
		return;
	links_load_diag(s->links);
	if (helpers_fill(s->helpers, &err) < 0)
		log_warning("%s", err.message);
	if (s->cfg.swap)
		reconnect_listen(s->reconnect);
	reconnect_keep_files(s->reconnect);
}
