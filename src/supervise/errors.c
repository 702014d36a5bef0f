/* SPDX-License-Identifier: MIT */
#include "supervise/errors.h"

#include <stddef.h>
#include <stdio.h>

static bool is_due(const struct errors *e, uint64_t now)
{
	return e->seen.count > e->said && (e->said_at == 0 || now - e->said_at >= ERRORS_SAY_MS);
}

enum errors_news errors_look(struct errors *e, const struct kmsg_errors *now_seen, uint64_t now,
			     int64_t wall)
{
	if (now_seen->count != e->seen.count)
		e->last_at = wall;
	if (now_seen->leaving != e->seen.leaving)
		e->leaving = true;
	e->known = true;
	e->seen = *now_seen;
	if (e->leaving && !e->leaving_said) {
		e->leaving_said = true;
		e->said = e->seen.count;
		e->said_at = now;
		return ERRORS_LEAVING;
	}
	if (!is_due(e, now))
		return ERRORS_NOTHING;
	e->said = e->seen.count;
	e->said_at = now;
	return ERRORS_COUNT;
}

void errors_renewed(struct errors *e)
{
	e->leaving = false;
	e->leaving_said = false;
}

const char *errors_name(unsigned error, char *buf, size_t size)
{
	/* The errors of the NBD protocol, by their numbers on the wire. */
	switch (error) {
	case 1:
		return "EPERM";
	case 5:
		return "EIO";
	case 12:
		return "ENOMEM";
	case 22:
		return "EINVAL";
	case 28:
		return "ENOSPC";
	case 75:
		return "EOVERFLOW";
	case 95:
		return "ENOTSUP";
	case KMSG_LEAVING:
		return "ESHUTDOWN";
	default:
		snprintf(buf, size, "%u", error);
		return buf;
	}
}

void errors_report(const struct errors *e, struct state *ret_state)
{
	struct state *s = ret_state;
	char number[16];

	s->errors = e->known ? (int64_t)e->seen.count : -1;
	s->errors_missed = e->seen.missed;
	s->error_at = e->last_at;
	s->leaving = e->leaving;
	s->error_name[0] = '\0';
	if (e->seen.count)
		snprintf(s->error_name, sizeof(s->error_name), "%s",
			 errors_name(e->seen.last, number, sizeof(number)));
}
