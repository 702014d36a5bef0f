/* SPDX-License-Identifier: MIT */
/*
 * Permanently removes every right from the current process that it does not need to talk to a
 * server (or to resolve a name). sandbox_new() does in the parent, once, all that can be done
 * early: it reads /etc/passwd, so that sandbox_enter() in a helper needs no file and allocates
 * nothing.
 *
 * What is in force afterwards, beside the filter of the profile:
 *  - root becomes a system account of its own (all gids, no supplementary groups, all uids but
 *    for keep_real_uid);
 *    another user stays who they are;
 *  - no capability in any set, no new privileges, not dumpable (so no ptrace by the same uid);
 *  - no new process, no file growth, no core, few descriptors;
 *  - Landlock with nothing allowed, where the kernel has it; a resolver may read the files of
 *    readable.h, and sees only those where the kernel has no Landlock but lets it make a root
 *    directory of its own;
 *  - SIGKILL when the parent ends.
 * Any of it failing is an error. Excepted are Landlock where the kernel has none, and the
 * capability bounding set where CAP_SETPCAP is missing (without execve() it means nothing).
 */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define SANDBOX_ACCOUNT "nbd-attach" /* made by sysusers; without it: nobody */

enum sandbox_profile {
	/* Receive and send on descriptors it has, poll, close, exit; all else is SIGSYS. */
	SANDBOX_HANDSHAKE,
	/*
	 * The same, and the calls of GnuTLS (memory, random numbers, keys for the kernel's TLS) and
	 * of a relay (outlive the parent, query TCP).
	 */
	SANDBOX_TLS,
	/* getaddrinfo(): read files and use sockets; no write, execution, tracing, signals. */
	SANDBOX_RESOLVE,
	/*
	 * Forks workers, which enter the rest (zygote.h): another account, no capability, no file.
	 * Its filter holds its copies, too, so it refuses only what none of them needs: other
	 * identities, signals, keys, sockets, tracing, namespaces, other programs. It receives no
	 * data from a server.
	 */
	SANDBOX_ZYGOTE,
	/* Has opened the files with certificates and keys: copies them into memory that it has, and
	 * passes that on. */
	SANDBOX_KEYS,
	/* Has opened the device: flushes and reads it, and answers. */
	SANDBOX_LOOK,
};

/* What the parent found out: plain values, which the helper is given as they are. */
struct sandbox {
	bool change_identity;
	/*
	 * The real uid stays root's: by that and by the first letter of the name, systemd knows
	 * whom to spare when the root changes and at the end of a shutdown. A worker's filter is a
	 * list of calls, none of which looks at it, and the zygote's refuses those that do.
	 */
	bool keep_real_uid;
	uid_t uid;
	gid_t gid;
	char account[33];
};

/* 0 or -errno with *err (SYSTEM). Reads files only; no name service is asked. */
int sandbox_new(struct sandbox **ret_sandbox, struct err *err);
void sandbox_free(struct sandbox *s); /* accepts NULL */

/* The account the processes run as; NULL: the caller's. Owned by s. */
const char *sandbox_account(const struct sandbox *s);

/* The same as a number; (uid_t)-1: the caller's. */
uid_t sandbox_uid(const struct sandbox *s);

/*
 * Enters it, in a process with one thread, whose parent is `parent`. 0, or -errno with *err
 * (SYSTEM): then the process is in an unknown state between and must only report and exit.
 */
int sandbox_enter(const struct sandbox *s, enum sandbox_profile profile, pid_t parent,
		  struct err *err);

#endif
