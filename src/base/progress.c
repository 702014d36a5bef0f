/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/terminal.h"

#define PATIENCE_MS 2000 /* shorter waits are not worth a line */
#define TICK_MS	    1000

static struct {
	bool runs;
	pthread_t thread;
	int end_fd; /* readable when the wait is over */
	time_t since;
	_Atomic(const char *) text;
} progress = {.end_fd = -1};

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/*
 * In the background, the line would overwrite what the user types. Without job control the answer
 * is yes.
 */
static bool is_in_foreground(void)
{
	pid_t group = tcgetpgrp(STDERR_FILENO);

	return group < 0 || group == getpgrp();
}

/* The cursor goes back to the start of the line, so that the next line covers this one. */
static void show(void)
{
	char line[160];
	int len = snprintf(line, sizeof(line), "\r\033[K%s, %lld s\r", atomic_load(&progress.text),
			   (long long)(seconds() - progress.since));

	log_set_erase(true);
	if (len > 0 && (size_t)len < sizeof(line))
		(void)!write(STDERR_FILENO, line, (size_t)len);
}

static void *run(void *arg)
{
	struct pollfd p = {.fd = progress.end_fd, .events = POLLIN};
	int pause = PATIENCE_MS;

	(void)arg;
	while (poll(&p, 1, pause) == 0) {
		if (is_in_foreground())
			show();
		pause = TICK_MS;
	}
	return NULL;
}

void progress_begin(const char *text)
{
	sigset_t all, before;

	if (progress.runs || !log_says(LOG_NOTICE) || !terminal_is(STDERR_FILENO))
		return;
	progress.end_fd = eventfd(0, EFD_CLOEXEC);
	if (progress.end_fd < 0)
		return;
	atomic_store(&progress.text, text);
	progress.since = seconds();
	/* Signals are for the thread that waits. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	progress.runs = pthread_create(&progress.thread, NULL, run, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void progress_change(const char *text)
{
	atomic_store(&progress.text, text);
}

void progress_end(void)
{
	if (!progress.runs)
		return;
	eventfd_write(progress.end_fd, 1);
	pthread_join(progress.thread, NULL);
	close_fdp(&progress.end_fd);
	progress.end_fd = -1;
	progress.runs = false;
	log_erase();
	log_set_erase(false);
}
