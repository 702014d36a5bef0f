/* SPDX-License-Identifier: MIT */
/* Fills the status of reconnect.h. */
#include "supervise/reconnect/reconnect-private.h"

#include <stdio.h>
#include <time.h>

/* Seconds since 1970 of a moment given in monotonic ms; 0 stays 0. */
static int64_t calendar(uint64_t moment)
{
	return moment ? time(NULL) + ((int64_t)moment - (int64_t)loop_now()) / 1000 : 0;
}

const char *reconnect_last_error(const struct reconnect *r)
{
	return r ? r->error : "";
}

void reconnect_report(const struct reconnect *r, struct state *ret_state)
{
	struct state *t = ret_state;

	t->peer_uid = r->unix_uid == (uid_t)-1 ? -1 : (int64_t)r->unix_uid;
	t->next_try = r->redial ? calendar(redial_next(r->redial)) : 0;
	t->failovers = r->failovers;
	snprintf(t->error, sizeof(t->error), "%s", r->error);
	snprintf(t->addresses, sizeof(t->addresses), "%s", r->addresses);
	snprintf(t->serving, sizeof(t->serving), "%s", r->serving);
	snprintf(t->fence, sizeof(t->fence), "%s", r->fence_text);
	content_report(r, t);
}
