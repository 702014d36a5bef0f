/* SPDX-License-Identifier: MIT */
/*
 * Part of the supervisor: reports the status of the device to the state file, the service manager,
 * udev, and the command of --on-change. The status is computed from the parts each time it is
 * reported. Owns all of these, and decides one thing: when the device is ready to be used, because
 * its partitions exist, and its names.
 */
#ifndef SUPERVISE_REPORT_REPORT_H
#define SUPERVISE_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "endpoint/endpoint.h"
#include "runtime/linkname.h"
#include "supervise/fsm.h"
#include "supervise/part.h"

struct report;
struct state;

#define REPORT_FOREVER UINT64_MAX

/* Everything here is borrowed. */
struct report_config {
	const char *name;	 /* of the device; NULL: none */
	const char *config;	 /* the configuration's name; NULL: none */
	const char *options;	 /* of the attachment, for the state file; NULL: not known */
	const char *on_change;	 /* a command; NULL: none */
	uint64_t dead_timeout_s; /* REPORT_FOREVER */
	bool swap;		 /* nothing is written in an outage, when memory may be short */
	bool no_scan;		 /* udev must not read the device */
	bool service;		 /* a service manager may wait for the device */
};

struct report_events {
	/* Called from report_write(): fills in the status of the parts. */
	void (*fill)(struct state *ret_state, void *arg);
	/* Called once, perhaps from report_usable() or report_lost(): the device can be used. */
	void (*ready)(void *arg);
};

/* 0 or -errno with *err. env, and what it points to, is borrowed. */
int report_new(const struct part_env *env, const struct report_config *cfg,
	       const struct report_events *events, void *arg, struct report **ret_report,
	       struct err *err);
/* The supervisor ends: waits for commands that still run, at most limit_ms. */
void report_end(struct report *r, unsigned limit_ms);
void report_free(struct report *r); /* both accept NULL. No job may be under way */

/*
 * The device is attached to that server: from now on there is a status. `reconnects`: I/O waits in
 * an outage. 0 or -errno with *err.
 */
int report_open(struct report *r, const struct endpoint *e, bool reconnects, struct err *err);

/*
 * Computes the status and writes it to its file, if there is a device. -errno: the file says what
 * was true before, as the log does.
 */
int report_write(struct report *r, enum fsm_state state);
/* The file could not be written the last time, so it says what was true before. */
bool report_is_stale(const struct report *r);
/*
 * Tells the service manager the same. `cause` is why the last connection died, and at `fails_at`
 * (seconds since 1970; 0: never) the I/O that waits begins to fail.
 */
void report_tell(struct report *r, enum fsm_state state, const char *cause, int64_t fails_at);
/* Runs the command of --on-change, if there is one and a device. */
void report_change(struct report *r, enum fsm_state from, enum fsm_state to, const char *reason,
		   uint64_t outage_ms);

/*
 * Makes the service manager keep these sockets for a supervisor after this one, and no others:
 * those that the kernel has or is about to get, and those whose end is waited for. Borrowed.
 */
void report_keep(struct report *r, const int *fds, size_t n);
/* The service manager has given this socket to us, and keeps it. */
void report_found(struct report *r, const char *name, int fd);

/* The name under which it keeps this socket. False: it does not keep it. */
bool report_name(const struct report *r, int fd, struct linkname *ret_name);
/* There is a service manager. */
bool report_has_manager(const struct report *r);
/* Tells it that this process is about to take our place. False: it was not told. */
bool report_succeeded(struct report *r, pid_t pid);

/* The device's partitions exist. */
void report_usable(struct report *r);
/* True if the event was sent: no command waits for the device any more. */
bool report_is_ready(const struct report *r);
/* Tells udev whether the device can be read. */
void report_lost(struct report *r, bool lost);
/* The supervisor will end, and the device stays attached: the reason. */
void report_kept(struct report *r, const char *why);
/* The supervisor is about to end. */
void report_stopping(struct report *r);

#endif
