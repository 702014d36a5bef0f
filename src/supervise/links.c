/* SPDX-License-Identifier: MIT */
#include "supervise/links.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct links {
	struct loop *loop;
	links_fn *fn;
	void *arg;
	size_t n;
	int fd[LINKS_MAX];
	struct loop_io *io[LINKS_MAX]; /* NULL once dead, or before links_watch() */
	bool watching;
};

struct links *links_new(struct loop *loop, links_fn *fn, void *arg)
{
	struct links *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->loop = loop;
	l->fn = fn;
	l->arg = arg;
	return l;
}

void links_clear(struct links *l)
{
	for (size_t i = 0; i < l->n; i++) {
		loop_io_free(l->io[i]);
		l->io[i] = NULL;
		close(l->fd[i]);
	}
	l->n = 0;
	l->watching = false;
}

void links_free(struct links *l)
{
	if (!l)
		return;
	links_clear(l);
	free(l);
}

int links_add(struct links *l, int fd)
{
	if (l->n == LINKS_MAX)
		return -ENOSPC;
	l->fd[l->n++] = fd;
	return 0;
}

unsigned links_alive(const struct links *l)
{
	unsigned alive = 0;

	for (size_t i = 0; i < l->n; i++)
		alive += link_alive(l, i);
	return alive;
}

bool link_alive(const struct links *l, size_t i)
{
	return i < l->n && (!l->watching || l->io[i]);
}

static void hung_up(int fd, uint32_t events, void *arg)
{
	struct links *l = arg;

	(void)events;
	for (size_t i = 0; i < l->n; i++) {
		if (l->fd[i] == fd) {
			loop_io_free(l->io[i]);
			l->io[i] = NULL;
		}
	}
	l->fn(links_alive(l), l->arg);
}

int links_watch(struct links *l)
{
	/* Never EPOLLIN: the bytes are the kernel's. EPOLLHUP and EPOLLERR are implied. */
	for (size_t i = 0; i < l->n; i++) {
		l->io[i] = loop_io_new(l->loop, l->fd[i], EPOLLRDHUP, hung_up, l);
		if (!l->io[i])
			return -errno;
	}
	l->watching = true;
	return 0;
}

const int *links_fds(const struct links *l, size_t *ret_n)
{
	*ret_n = l->n;
	return l->fd;
}

unsigned links_count(const struct links *l)
{
	return (unsigned)l->n;
}

void links_shutdown(struct links *l)
{
	for (size_t i = 0; i < l->n; i++)
		shutdown(l->fd[i], SHUT_RDWR);
}
