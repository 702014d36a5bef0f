/* SPDX-License-Identifier: MIT */
#include "supervise/attach/match.h"

/* The same socket may come from the service manager and from the former supervisor. */
static bool comes_twice(const struct match_socket *sockets, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++) {
		if (k == i || sockets[k].inode != sockets[i].inode)
			continue;
		if (sockets[k].certain == sockets[i].certain ? k < i : sockets[k].certain)
			return true;
	}
	return false;
}

/* The kernel uses the socket, or has used it. */
static enum match_verdict judge_known(const struct match_socket *s)
{
	switch (s->health) {
	case LINKS_LIVES:
		return MATCH_LINK;
	case LINKS_ENDED_BY_SERVER:
		return MATCH_DIED;
	case LINKS_ENDED_HERE:
	case LINKS_CLOSED: /* nothing shows which side ended it first */
		return MATCH_ENDED;
	case LINKS_NO_SOCKET:
		break;
	}
	return MATCH_LEFTOVER;
}

/*
 * The socket was stored for this attachment, and the state file does not list it: its end was
 * waited for, or it was on its way into the kernel. judge_candidates() decides about living ones.
 */
static enum match_verdict judge_unlisted(const struct match_socket *s, const struct match_device *d)
{
	if (s->health == LINKS_ENDED_HERE || (s->health == LINKS_CLOSED && d->unsettled))
		return MATCH_ENDED;
	return MATCH_LEFTOVER;
}

static bool is_candidate(const struct match_socket *s)
{
	return s->named && !s->listed && !s->certain && s->health == LINKS_LIVES;
}

/* The driver has fewer connections than look alive: those that are too many are not used. */
static void judge_surplus(struct match_socket *sockets, size_t n, const struct match_device *d)
{
	unsigned have = d->others;

	for (size_t i = 0; i < n; i++)
		if (sockets[i].verdict == MATCH_LINK && ++have > d->most && !sockets[i].certain)
			sockets[i].verdict = MATCH_LEFTOVER;
}

/*
 * Living sockets that the state file does not list are connections if the driver knows of no dead
 * one and exactly as many are missing: the driver can use no others.
 */
static void judge_candidates(struct match_socket *sockets, size_t n, const struct match_device *d)
{
	unsigned have = d->others, candidates = 0;

	for (size_t i = 0; i < n; i++) {
		have += sockets[i].verdict == MATCH_LINK;
		candidates += is_candidate(&sockets[i]);
	}
	if (!d->all_alive || have + candidates != d->most)
		return;
	for (size_t i = 0; i < n; i++)
		if (is_candidate(&sockets[i]))
			sockets[i].verdict = MATCH_LINK;
}

void match_sockets(struct match_socket *sockets, size_t n, const struct match_device *device)
{
	for (size_t i = 0; i < n; i++) {
		struct match_socket *s = &sockets[i];
		bool ours = s->name.attachment == device->attachment;

		s->verdict = MATCH_LEFTOVER;
		/* The first connections get their name before the device is attached. */
		ours = ours || (s->name.attachment == 0 && (s->listed || s->certain));
		s->named = s->named && ours && !comes_twice(sockets, n, i);
		if (!s->named)
			continue;
		s->verdict = s->listed || s->certain ? judge_known(s) : judge_unlisted(s, device);
	}
	judge_surplus(sockets, n, device);
	judge_candidates(sockets, n, device);
}
