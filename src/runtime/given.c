/* SPDX-License-Identifier: MIT */
#include "runtime/given.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int given_add(struct given *g, const char *name, int fd, bool certain)
{
	size_t len = strlen(name);
	int ret = 0;

	if (len == 0 || len >= GIVEN_NAME_MAX)
		ret = -EINVAL;
	else if (g->n == GIVEN_MAX)
		ret = -ENOSPC;
	else if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		ret = -errno;
	if (ret < 0) {
		close(fd);
		return ret;
	}
	memcpy(g->item[g->n].name, name, len + 1);
	g->item[g->n].fd = fd;
	g->item[g->n].certain = certain;
	g->n++;
	return 0;
}

int given_take_at(struct given *g, size_t i)
{
	int fd = g->item[i].fd;

	g->n--;
	memmove(&g->item[i], &g->item[i + 1], (g->n - i) * sizeof(g->item[0]));
	return fd;
}

int given_take(struct given *g, const char *name)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->item[i].name, name) == 0)
			return given_take_at(g, i);
	return -1;
}

void given_close(struct given *g)
{
	while (g->n)
		close(given_take_at(g, g->n - 1));
}
