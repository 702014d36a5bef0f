/* SPDX-License-Identifier: MIT */
/* The beginning of /proc/PID/stat (proc_pid_stat(5)). */
#ifndef BASE_PROC_STAT_H
#define BASE_PROC_STAT_H

#include <stdbool.h>
#include <sys/types.h>

struct proc_stat {
	char state; /* 'Z': it has ended and waits to be reaped; 'X': it is about to be gone */
	pid_t parent;
};

/*
 * Returns false if there is no such process, or if the caller may not see it. Allocates no memory,
 * so a signal handler may call it.
 */
bool proc_stat_read(pid_t pid, struct proc_stat *ret_stat);

#endif
