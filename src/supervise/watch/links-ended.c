/* SPDX-License-Identifier: MIT */
/* Connections that ended at our side first, until the server has ended too (watch/ended.h). */
#include "supervise/watch/links-private.h"

#include <sys/socket.h>

#include "base/cleanup.h"

struct ended *links_bury(struct links *l, int fd, enum ended_how how, uint32_t limit_ms)
{
	struct ended *e;

	/*
	 * There are never more of them than connections, because none is replaced before they have
	 * settled.
	 */
	if (l->n_ended == LINKS_MAX) {
		close_fdp(&fd);
		return NULL;
	}
	e = &l->ended[l->n_ended++];
	*e = (struct ended){.fd = fd, .how = how, .limit_ms = limit_ms, .ended_at = loop_now()};
	return e;
}

bool links_position(int fd, uint64_t *ret_bytes)
{
	return ended_position(fd, ret_bytes);
}

void links_bury_doubted(struct links *l, int fd)
{
	links_bury(l, fd, ENDED_BY_DRIVER, ENDED_SETTLE_MS);
}

void links_driver_may_cut(struct links *l)
{
	l->driver_limit_ms = ENDED_SETTLE_MS;
}

void links_ask_log(struct links *l, links_log_fn *fn)
{
	l->ask_log = fn;
}

void links_limit_peers(struct links *l, uint32_t limit_ms)
{
	l->peer_timeout_ms = limit_ms;
}

bool links_settled(struct links *l, uint64_t now)
{
	for (size_t i = l->n_ended; i-- > 0;) {
		if (!ended_settled(&l->ended[i], now, l->peer_timeout_ms))
			continue;
		l->given_up += l->ended[i].given_up;
		/*
		 * Until now the connection was open for the driver, which needs a moment to notice.
		 */
		if (l->ended[i].how == ENDED_BY_US)
			l->last_death = loop_now();
		ended_close(&l->ended[i]);
		l->ended[i] = l->ended[--l->n_ended];
	}
	return l->n_ended == 0;
}

bool links_graves(const struct links *l)
{
	return l->n_ended > 0;
}

bool links_unclean(const struct links *l)
{
	for (size_t i = 0; i < l->n_ended; i++)
		if (!l->ended[i].clean)
			return true;
	return false;
}

unsigned links_given_up(struct links *l)
{
	unsigned n = l->given_up;

	l->given_up = 0;
	return n;
}

void links_release(struct links *l)
{
	for (size_t i = 0; i < l->n_ended; i++)
		ended_release(&l->ended[i], loop_now());
}

bool links_unproved(const struct links *l)
{
	for (size_t i = 0; i < l->n_ended; i++)
		if (!l->ended[i].clean && l->ended[i].limit_ms == 0)
			return true;
	return false;
}

void links_inherit(struct links *l, bool unproved)
{
	links_bury(l, -1, ENDED_VANISHED, unproved ? 0 : ENDED_SETTLE_MS);
}

void links_inherit_foreign(struct links *l, const struct diag_socket *id)
{
	struct ended *e = links_bury(l, -1, ENDED_BY_DRIVER, l->driver_limit_ms);

	if (e)
		e->id = *id;
}

void links_remember(struct links *l)
{
	for (size_t i = 0; i < l->n; i++)
		l->link[i].positioned = ended_position(l->fd[i], &l->link[i].position);
}

void links_renew(struct links *l, uint32_t close_ms, const char *why)
{
	/*
	 * Shuts down all of them first, because a request may enter until then. Replies can still
	 * come; the server reads the end after its last request.
	 */
	for (size_t i = 0; i < l->n; i++)
		shutdown(l->fd[i], SHUT_WR);
	/* From the last to the first, because removing one moves those after it. */
	for (size_t i = l->n; i-- > 0;) {
		struct link link = l->link[i];
		int fd = links_take_out(l, i);
		struct ended *e;
		uint64_t now;

		e = links_bury(l, fd, ENDED_BY_US, 0);
		if (!e)
			continue;
		e->close_ms = close_ms < ENDED_CLOSE_MS ? close_ms : ENDED_CLOSE_MS;
		e->clean = link.positioned && ended_position(fd, &now) && now == link.position;
	}
	l->fn(0, why, l->arg);
}

void links_seen_idle(struct links *l)
{
	for (size_t i = 0; i < l->n_ended; i++)
		ended_seen_idle(&l->ended[i], loop_now());
}
