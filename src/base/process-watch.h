/* SPDX-License-Identifier: MIT */
/*
 * Private to process.c: a descriptor that becomes readable, or hung up, when a child has ended,
 * and the calls that go with it. That is a pidfd. valgrind (3.19) knows none, so builds made for
 * it (-DFOR_VALGRIND, never to be installed) use a pipe whose other end the child holds. It has no
 * execveat(2) either, and /proc/self/exe is its own file there.
 */
#ifndef BASE_PROCESS_WATCH_H
#define BASE_PROCESS_WATCH_H

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/libc.h"

#if !defined(FOR_VALGRIND)

/* This program's file. -1: errno. */
static inline int open_program(void)
{
	return open("/proc/self/exe", O_PATH | O_CLOEXEC);
}

/* Returns only if it failed. */
static inline void start_program(int exe, char *const *argv, char *const *environment)
{
	fexecve(exe, argv, environment);
}

static inline void watch_prepare(void)
{
}

/* In the parent: the child, not reaped yet. -1: errno. */
static inline int watch_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* In the child, which has what it needs below `fd`: the first descriptor to close. */
static inline int watch_keep(int fd)
{
	return fd;
}

static inline int watch_kill(pid_t pid, int watch)
{
	(void)pid;
	return (int)syscall(SYS_pidfd_send_signal, watch, SIGKILL, NULL, 0);
}

static inline int watch_wait(pid_t pid, int watch, siginfo_t *info, int flags)
{
	(void)pid;
	return waitid((idtype_t)P_PIDFD, (id_t)watch, info, flags);
}

#else

static int watch_pipe[2];

static inline int open_program(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC); /* a place holder */
}

static inline void start_program(int exe, char *const *argv, char *const *environment)
{
	char path[4096] = "";

	(void)exe;
	/* valgrind answers this one with the program's name. */
	(void)!readlink("/proc/self/exe", path, sizeof(path) - 1);
	execve(path, argv, environment);
}

static inline void watch_prepare(void)
{
	if (pipe2(watch_pipe, O_CLOEXEC) < 0)
		abort();
}

static inline int watch_open(pid_t pid)
{
	(void)pid;
	close(watch_pipe[1]);
	return watch_pipe[0];
}

static inline int watch_keep(int fd)
{
	/* Without close-on-exec: the program that the child becomes holds it, too. */
	return dup2(fcntl(watch_pipe[1], F_DUPFD, fd + 1), fd) + 1;
}

static inline int watch_kill(pid_t pid, int watch)
{
	(void)watch;
	return kill(pid, SIGKILL);
}

static inline int watch_wait(pid_t pid, int watch, siginfo_t *info, int flags)
{
	(void)watch;
	return waitid(P_PID, (id_t)pid, info, flags);
}

#endif

#endif
