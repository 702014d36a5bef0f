/* SPDX-License-Identifier: MIT */
#include "verbs/looks.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Processes that can ask; more of them look themselves. Each needs a descriptor of ours. */
#define DOORS 256

static size_t n_doors;
static int doors[DOORS]; /* the ends of those that ask */
static int door = -1;	 /* of this process */

/* A question is a struct usage_question, and so is the answer. */
struct asked {
	size_t n;
	struct usage_question question[DOORS];
	int from[DOORS];
};

/* Takes the questions that are there. Closes the ends of those that have ended. */
static void collect(struct asked *a, struct pollfd *ends, size_t n)
{
	a->n = 0;
	for (size_t i = 0; i < n; i++) {
		ssize_t got;

		if (ends[i].fd < 0 || !ends[i].revents)
			continue;
		got = recv(ends[i].fd, &a->question[a->n], sizeof(a->question[a->n]), MSG_DONTWAIT);
		if (got == sizeof(a->question[a->n])) {
			a->from[a->n++] = ends[i].fd;
		} else if (got >= 0 || errno != EAGAIN) {
			close(ends[i].fd);
			ends[i].fd = -1;
		}
	}
}

static size_t open_ends(const struct pollfd *ends, size_t n)
{
	size_t open = 0;

	for (size_t i = 0; i < n; i++)
		open += ends[i].fd >= 0;
	return open;
}

__attribute__((noreturn)) static void look_for_all(struct pollfd *ends, size_t n)
{
	struct asked *a = calloc(1, sizeof(*a));

	prctl(PR_SET_NAME, "nbd-users");
	while (a && open_ends(ends, n)) {
		if (poll(ends, n, -1) < 0 && errno != EINTR)
			break;
		collect(a, ends, n);
		if (a->n)
			usage_find_several(a->question, a->n);
		for (size_t i = 0; i < a->n; i++)
			send(a->from[i], &a->question[i], sizeof(a->question[i]), MSG_NOSIGNAL);
	}
	_exit(0);
}

static void close_doors(void)
{
	for (size_t i = 0; i < n_doors; i++)
		close(doors[i]);
	n_doors = 0;
}

/* A grandchild, which nobody has to wait for: it may hang in /proc. True: it has been started. */
static bool start(struct pollfd *ends)
{
	size_t n = n_doors;
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		close_doors();
		pid = fork();
		if (pid == 0)
			look_for_all(ends, n);
		_exit(pid < 0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && status == 0;
}

void looks_begin(size_t n)
{
	struct pollfd ends[DOORS];
	bool started;

	for (n_doors = 0; n_doors < n && n_doors < DOORS; n_doors++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
			break;
		ends[n_doors] = (struct pollfd){.fd = pair[0], .events = POLLIN};
		doors[n_doors] = pair[1];
	}
	started = start(ends);
	for (size_t i = 0; i < n_doors; i++)
		close(ends[i].fd);
	if (!started)
		close_doors();
}

void looks_join(size_t place)
{
	door = -1; /* that of the parent, if it had to do without a process for another device */
	if (place < n_doors) {
		door = doors[place];
		doors[place] = -1;
	}
	close_doors();
}

int looks_find(int index, pid_t skip, struct usage *ret_usage)
{
	struct usage_question q = {.index = index, .skip = skip};
	ssize_t got = -1;

	if (door >= 0 && send(door, &q, sizeof(q), MSG_NOSIGNAL) == sizeof(q))
		while ((got = recv(door, &q, sizeof(q), 0)) < 0 && errno == EINTR)
			;
	/* The process that looks has ended, or there is none. */
	if (got != sizeof(q) || q.index != index)
		return usage_find(index, skip, ret_usage, NULL);
	if (q.ret == 0)
		*ret_usage = q.usage;
	return q.ret;
}

void looks_end(void)
{
	close_doors();
}
