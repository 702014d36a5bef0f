/* SPDX-License-Identifier: MIT */
/*
 * Starts a server's program: in a session of its own, inheriting nothing from the caller except
 * what is given to it, by socket activation (sd_listen_fds(3)) or on its standard input and output.
 * The caller owns the process and reaps it. Looking up a user may block as long as the name service
 * does; starting waits until the program runs or could not be run.
 */
#ifndef CAPTIVE_COMMAND_H
#define CAPTIVE_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define COMMAND_GROUPS_MAX 64

/* The user that a program runs as. */
struct command_user {
	uid_t uid;
	gid_t gid;
	int n_groups;
	gid_t group[COMMAND_GROUPS_MAX];
	char name[64], home[256], shell[256];
};

/* 0, or USAGE: there is no such user. */
int command_user_find(const char *name, struct command_user *ret_user, struct err *err);

struct command {
	char *const *argv;		 /* ends with NULL; the first is looked for in PATH */
	const struct command_user *user; /* NULL: who the caller is */
	int listen_fd; /* becomes descriptor 3, with LISTEN_FDS=1, LISTEN_PID, LISTEN_FDNAMES=nbd;
			  -1: none */
	int stdio_fd;  /* becomes standard input and output; -1: /dev/null, and with the errors */
	int error_fd;  /* becomes standard error */
};

/*
 * Runs it. The process leads a session and a process group, has default signal dispositions, an
 * empty signal mask and no other descriptor, is marked as a part of the way to a disk
 * (PR_SET_IO_FLUSHER, if the caller may), and gets SIGTERM when the caller's thread ends. 0 with
 * its number, or -errno with *err: SYSTEM if the program cannot be run.
 */
int command_start(const struct command *command, pid_t *ret_pid, struct err *err);

/* Fills *err: the initramfs has been left, and its programs with it. Always -EAGAIN. */
int command_unavailable(const char *name, struct err *err);

/*
 * Fills *err with how a server ended, by the status of waitpid(2): PERMANENT if it refused to
 * start, because it would do so again, or else RETRY. `proved`: it had worked before. `said`: its
 * last line, or "".
 */
void command_explain_end(const char *name, int status, bool proved, const char *said,
			 struct err *err);

/* The program's name without its directory: what people call it. */
const char *command_name(char *const *argv);

#endif
