/* SPDX-License-Identifier: MIT */
/*
 * Notifies systemd under --foreground: that the device is ready, its status in one line, and
 * watchdog messages if systemd wants them. Never blocks; without a manager these functions do
 * nothing.
 */
#ifndef SUPERVISE_REPORT_MANAGER_H
#define SUPERVISE_REPORT_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "runtime/linkname.h"
#include "supervise/fsm.h"

struct manager;

struct manager_status {
	enum fsm_state state;
	int64_t since;	     /* of the state, seconds since 1970; 0: not known */
	const char *address; /* the server's; "" if not known */
	const char *reason;  /* the reason of the state; "" */
	const char *kept;    /* why the device stays attached without us; NULL: it does not */
	int64_t next_try;    /* seconds since 1970; 0: none is planned */
	int64_t fails_at;    /* when I/O begins to fail, seconds since 1970; 0: never, or unknown */
	int index;	     /* of /dev/nbdN; negative: not known */
};

/* Reads the environment and clears it (supervise/report/notify.h). NULL: no memory, or no manager.
 */
struct manager *manager_new(struct loop *loop);
void manager_free(struct manager *m); /* accepts NULL, as all of these */

void manager_ready(struct manager *m);
void manager_stopping(struct manager *m);

/*
 * Makes the manager keep the sockets of `fds` for a later supervisor, and no others of ours
 * (report/stored.h). Sends only changes; the next call repeats what the manager did not accept.
 */
void manager_keep(struct manager *m, const int *fds, size_t n, uint64_t attachment);

/* A socket that the manager has kept for an earlier supervisor. */
void manager_found(struct manager *m, const char *name, int fd);

/* The name under which the manager keeps this socket. False: it does not keep it. */
bool manager_name(const struct manager *m, int fd, struct linkname *ret_name);

/*
 * The process `pid` is about to take our place as the main process of the service: we send nothing
 * more. False: the manager was not told.
 */
bool manager_succeeded(struct manager *m, pid_t pid);

/* Sends only changes. */
void manager_status(struct manager *m, const struct manager_status *status);

/* The same as text, for tests and for manager_status(). Local time. */
void manager_sentence(const struct manager_status *status, int64_t now, char *buf, size_t size);

#endif
