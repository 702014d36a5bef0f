/* SPDX-License-Identifier: MIT */
/*
 * A helper process: this program, executed again, which has only one end of a socket pair from its
 * parent. A forked copy would have root's memory, environment and layout, and would share stack
 * canary and addresses with every helper before it. The struct owns the process and the other end.
 * process_start() copies page tables and takes about a millisecond; the rest never blocks but where
 * it says so.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
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
 * The files from which helpers are started, opened early: the program's own file, which an upgrade
 * may replace and a change of the root file system may move away, and /dev/null.
 */
struct process_seed {
	int exe;
	int null;
};

#define PROCESS_SEED_NONE ((struct process_seed){-1, -1})

/* 0 or -errno with *err (SYSTEM). */
int process_seed_open(struct process_seed *ret_seed, struct err *err);
void process_seed_close(struct process_seed *seed);

#define PROCESS_SETUP_MAX 32768 /* bytes */
#define PROCESS_NAME_MAX  16	/* bytes, the final one of which is 0 */

struct process_job {
	const char *kind;  /* see worker/helper-main.h; borrowed, as all of this */
	const char *name;  /* what ps(1) shows */
	const void *setup; /* what the helper is told before it starts */
	size_t len;	   /* at most PROCESS_SETUP_MAX */
	bool protected;	   /* keeps the parent's protection from the OOM killer */
};

/*
 * What a helper runs: fd is its end of the socket pair (blocking), parent the starter's pid, setup
 * what the starter gave. When it returns, the helper calls _exit(0).
 */
typedef void process_fn(int fd, pid_t parent, const void *setup, size_t len);

/*
 * Starts one. It leads a session of its own, so it has no terminal. Standard input, output and
 * error are /dev/null, every other inherited descriptor is closed, the environment holds PATH and
 * LC_ALL alone, and the signals that end a group of processes (terminal, service manager) are
 * ignored: a helper ends when its parent ends or tells it to. 0 or -errno with *err (SYSTEM).
 */
int process_start(struct process *ret_process, const struct process_seed *seed,
		  const struct process_job *job, struct err *err);

/*
 * Both ends of a helper's socket pair, for one that another process starts; the first is ours. 0 or
 * -errno.
 */
int process_channel(int *ret_ours, int *ret_theirs);

/*
 * Adopts a child that another process created, as if process_start() had started it. Takes over
 * `fd`, the parent's end of its socket pair, even on failure. Returns 0, -ECHILD if it is the child
 * of another, or -errno.
 */
int process_adopt(struct process *ret_process, pid_t pid, int fd);

/* In the helper: what process_start() was given. */
struct process_call {
	const char *kind;
	int fd;
	pid_t parent;
	size_t len;
	char setup[PROCESS_SETUP_MAX] __attribute__((aligned(16)));
};

/*
 * For a program that has just started: returns true if its parent started it with process_start(),
 * and sets its process name. Returns false if a user started it, whatever the arguments say.
 */
bool process_accept(int argc, char *const *argv, struct process_call *ret_call);

/*
 * In the helper: asks for SIGKILL when the thread that started it ends. To be called again after
 * a change of credentials, which clears this. -ESRCH if `parent` has ended already.
 */
int process_die_with(pid_t parent);

/*
 * SIGKILL; a process that has ended already is not an error. Needs no CAP_KILL, which a service
 * manager may have taken, if the caller may change its user id. 0 or -errno.
 */
int process_kill(const struct process *p);

struct msghdr;
/*
 * recvmsg(2) on a SOCK_SEQPACKET socket, without waiting. The kernel looks for a message first and
 * for the end of the other side afterwards (net/unix/af_unix.c, __unix_dgram_recvmsg()): a message
 * and the end that come between these two looks would be reported as an end. So an end is reported
 * only after a second look. A message of no bytes is passed over for the next one.
 */
ssize_t process_receive(int fd, struct msghdr *msg, int flags);

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
