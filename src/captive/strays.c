/* SPDX-License-Identifier: MIT */
#include "captive/strays.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/loop.h"
#include "captive/children.h"

#define STEP_MS 5
#define LAST_MS 2000 /* for what SIGKILL does not end at once */
#define SCAN_MS 50   /* ms: between two scans of all processes */

struct signalled {
	pid_t leader;
	int signal;
	bool group; /* a child is in the leader's group */
	unsigned n;
};

static void signal_one(pid_t pid, void *arg)
{
	struct signalled *s = arg;

	if (getpgid(pid) != s->leader)
		kill(pid, s->signal);
	else
		s->group = true;
	s->n++;
}

/*
 * Signals every child outside the leader's group, and that group as a whole; their children become
 * ours when they end. Returns how many children there are.
 *
 * The group is signalled only while a child of ours is in it. The number of an empty group may have
 * been reused.
 */
static unsigned signal_children(pid_t leader, int signal)
{
	struct signalled s = {.leader = leader, .signal = signal};

	children_each(signal_one, &s);
	if (s.group)
		kill(-leader, signal);
	return s.n;
}

/* Returns false if there is no child left. */
static bool reap(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
	}
	return pid == 0 || errno == EINTR;
}

unsigned strays_end(pid_t leader, unsigned patience_ms, strays_fn *meanwhile, void *arg)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
	uint64_t start = loop_now(), now = start;
	unsigned told = 0;

	while (reap() && now - start < patience_ms + LAST_MS) {
		bool patient = now - start < patience_ms;

		if (!patient || now == start) {
			unsigned n = signal_children(leader, patient ? SIGTERM : SIGKILL);
			told = n > told ? n : told;
		}
		if (meanwhile)
			meanwhile(arg);
		nanosleep(&step, NULL);
		now = loop_now();
	}
	return told;
}

/* A process that has ended has no environment. */
static bool is_marked(const char *number, const char *variable, const char *value)
{
	char path[300];
	_cleanup_free_ char *word = NULL;
	_cleanup_file_ FILE *f = NULL;
	size_t size = 0, len = strlen(variable);

	snprintf(path, sizeof(path), "/proc/%s/environ", number);
	f = held_fopen(path, O_RDONLY);
	while (f && getdelim(&word, &size, '\0', f) > 0)
		if (strncmp(word, variable, len) == 0 && word[len] == '=' &&
		    strcmp(word + len + 1, value) == 0)
			return true;
	return false;
}

static unsigned signal_marked(const char *variable, const char *value, int signal)
{
	DIR *proc = held_opendir("/proc");
	unsigned n = 0;

	for (const struct dirent *d; proc && (d = readdir(proc));) {
		_cleanup_fd_ int fd = -1;

		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		/* First, because afterwards the number refers to the same process until the end. */
		fd = (int)syscall(SYS_pidfd_open, atoi(d->d_name), 0);
		if (fd < 0 || atoi(d->d_name) == getpid() || !is_marked(d->d_name, variable, value))
			continue;
		if (signal)
			syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
		n++;
	}
	if (proc)
		closedir(proc);
	return n;
}

unsigned strays_end_marked(const char *variable, const char *value, unsigned patience_ms)
{
	const struct timespec step = {.tv_nsec = SCAN_MS * 1000000L};
	uint64_t start = loop_now();
	unsigned first = signal_marked(variable, value, SIGTERM), n = first;

	while (n && loop_now() - start < patience_ms + LAST_MS) {
		nanosleep(&step, NULL);
		n = signal_marked(variable, value, loop_now() - start < patience_ms ? 0 : SIGKILL);
	}
	return first;
}
