/* SPDX-License-Identifier: MIT */
#include "supervise/keeping.h"

#include "supervise/core.h"
#include "supervise/handover/handover.h"
#include "supervise/report/report.h"
#include "supervise/watch/links.h"

void supervisor_find_sockets(struct supervisor *s)
{
	for (size_t i = 0; i < s->given.n; i++)
		report_found(s->report, s->given.item[i].name, s->given.item[i].fd);
}

void supervisor_forget_sockets(struct supervisor *s)
{
	given_close(&s->given);
	/* Before the first connection: a server of one client has to see the end of an old one. */
	report_keep(s->report, NULL, 0);
}

/* The sockets of ioctl's devices end with their supervisor. */
static size_t sockets(const struct supervisor *s, int *fds)
{
	size_t n;

	if (!s->env.kernel || !kernel_can_change(s->env.kernel))
		return 0;
	n = links_kept(s->links, fds);
	return n + handover_fds(s->handover, fds + n);
}

void supervisor_keep_sockets(struct supervisor *s)
{
	int fds[2 * LINKS_MAX + KERNEL_CONNECTIONS_MAX];

	/* A takeover has not decided yet, or failed, or the device stays attached without us. */
	if (s->state == FSM_ADOPTING || s->left)
		return;
	report_keep(s->report, fds, sockets(s, fds));
}

void supervisor_end_sockets(struct supervisor *s)
{
	if (!s->left)
		report_keep(s->report, NULL, 0);
}
