/* SPDX-License-Identifier: MIT */
/* Connections whose sockets a former supervisor has left. */
#include "supervise/watch/links-private.h"

#include <errno.h>
#include <sys/stat.h>

enum links_health links_examine(int fd, uint64_t *ret_inode)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return LINKS_NO_SOCKET;
	*ret_inode = st.st_ino;
	switch (ended_look(fd)) {
	case ENDED_LOOK_OPEN:
		return LINKS_LIVES;
	case ENDED_LOOK_SERVER:
		return LINKS_ENDED_BY_SERVER;
	case ENDED_LOOK_HERE:
		return LINKS_ENDED_HERE;
	case ENDED_LOOK_CLOSED:
		break;
	}
	return LINKS_CLOSED;
}

int links_add_given(struct links *l, int fd)
{
	int ret;

	if (l->n == LINKS_MAX)
		return -ENOSPC;
	l->fd[l->n] = fd;
	l->link[l->n] = (struct link){.io = NULL, .relayed = links_is_relayed(l, fd)};
	ret = links_watch_one(l, l->n);
	if (ret == 0)
		l->n++;
	return ret;
}

void links_given_dead(struct links *l)
{
	l->last_death = loop_now();
}

void links_inherit_socket(struct links *l, int fd, enum links_end end)
{
	switch (end) {
	case LINKS_END_UNPROVED:
		/*
		 * It may have ended long ago, so that the driver counts its requests no more: an
		 * idle device proves nothing.
		 */
		links_bury(l, fd, ENDED_BY_DRIVER, 0);
		break;
	case LINKS_END_TIMED:
		links_bury(l, fd, ENDED_VANISHED, ENDED_SETTLE_MS);
		break;
	case LINKS_END_DRIVER:
		links_bury(l, fd, ENDED_BY_DRIVER, l->driver_limit_ms);
		break;
	}
}

size_t links_kept(const struct links *l, int *fds)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->fd[i] >= 0)
			fds[n++] = l->fd[i];
	for (size_t i = 0; i < l->n_ended; i++)
		if (l->ended[i].fd >= 0)
			fds[n++] = l->ended[i].fd;
	return n;
}
