/* SPDX-License-Identifier: MIT */
#include "runtime/given.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */
#define MOST_FDS 512

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

/* The next of the names, which colons separate; "" when they have come to their end. */
static void next_name(const char **names, char *buf, size_t size)
{
	size_t len = strcspn(*names, ":");

	/* One that is too long is none of ours, and is as good as another wrong name. */
	memcpy(buf, *names, len < size ? len : size - 1);
	buf[len < size ? len : size - 1] = '\0';
	*names += (*names)[len] ? len + 1 : len;
}

void given_from_words(struct given *g, const char *count, const char *names, int first)
{
	char name[GIVEN_NAME_MAX], *end;
	long n = strtol(count, &end, 10);

	if (end == count || *end || n < 1 || n > MOST_FDS)
		return;
	for (int fd = first; fd < first + n; fd++) {
		next_name(&names, name, sizeof(name));
		given_add(g, name[0] ? name : "unknown", fd, false);
	}
}

void given_from_manager(struct given *g)
{
	const char *pid = secure_getenv("LISTEN_PID"), *count = secure_getenv("LISTEN_FDS");
	const char *names = secure_getenv("LISTEN_FDNAMES");
	char *end;

	if (pid && count && strtol(pid, &end, 10) == getpid() && !*end)
		given_from_words(g, count, names ? names : "", FIRST_FD);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_PIDFDID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}
