/* SPDX-License-Identifier: MIT */
/*
 * A helper process: forked, never executed, holding nothing of its parent's but one end of a
 * socket pair. The struct owns the process and the other end. process_start() copies page tables
 * and takes about a millisecond; the rest never blocks but where it says so.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct process {
	pid_t pid; /* 0: none */
	int pidfd; /* readable when the process has ended */
	int fd;	   /* SOCK_SEQPACKET, non-blocking, close-on-exec */
	uid_t uid; /* the account it changes to, for process_kill(); (uid_t)-1: none */
};

#define PROCESS_NONE ((struct process){.pidfd = -1, .fd = -1, .uid = (uid_t)-1})

/*
 * What the child runs: fd is its end of the socket pair (blocking), parent the starter's pid,
 * arg the starter's, copied by fork. Returning is _exit(0): no exit handler of the parent runs.
 */
typedef void process_fn(int fd, pid_t parent, const void *arg);

/*
 * Forks. In the child standard input, output and error are /dev/null, every other inherited
 * descriptor is closed, signal handlers are gone, and the signals that end a group of processes
 * (terminal, service manager) are ignored: a helper ends with its parent or on its order. `name`
 * (15 bytes) is what ps(1) shows. 0 or -errno with *err (SYSTEM).
 */
int process_start(struct process *ret_process, const char *name, process_fn *run, const void *arg,
		  struct err *err);

/*
 * In the child: asks for SIGKILL when the thread that forked it ends. To be called again after
 * a change of credentials, which clears this. -ESRCH if `parent` has ended already.
 */
int process_die_with(pid_t parent);

/*
 * SIGKILL; a process that has ended already is not an error. Needs no CAP_KILL, which a service
 * manager may have taken, if the caller may change its user id. 0 or -errno.
 */
int process_kill(const struct process *p);

struct process_end {
	bool exited; /* false: killed by a signal */
	int value;   /* exit status or signal */
};

/*
 * If the process has ended, reaps it and returns true (*ret_end may be NULL). The descriptors
 * stay open, as a loop may watch them: process_done() closes them. Once it has returned true, and
 * for PROCESS_NONE, it returns true and leaves *ret_end alone.
 */
bool process_reap(struct process *p, struct process_end *ret_end);

/* Blocks until the process, which was told to end, has ended, and reaps it. */
void process_wait(struct process *p);

/*
 * Closes the descriptors and forgets the process, which should have been reaped. No loop may
 * watch them any more: a child forked in between holds copies for a moment, so that closing
 * alone does not end the watch.
 */
void process_done(struct process *p);

#endif
