/* SPDX-License-Identifier: MIT */
#include "supervise/strays.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"

#define STEP_MS 5
#define LAST_MS 2000 /* for what SIGKILL does not end at once */

/*
 * Signals every child outside the leader's group, which gets its signal as a group; their children
 * become ours when they end. Returns how many there are in all.
 */
static unsigned signal_children(pid_t leader, int signal)
{
	char path[64];
	_cleanup_file_ FILE *f = NULL;
	unsigned n = 0;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		if (getpgid(pid) != leader)
			kill(pid, signal);
		n++;
	}
	return n;
}

/* False: there is no child left. */
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

			kill(-leader, patient ? SIGTERM : SIGKILL);
			told = n > told ? n : told;
		}
		if (meanwhile)
			meanwhile(arg);
		nanosleep(&step, NULL);
		now = loop_now();
	}
	return told;
}
