/* SPDX-License-Identifier: MIT */
/*
 * A captive server, as its device's supervisor sees it: a Unix socket to dial, and a keeper
 * (keeper.h) that starts the server, is started here, and again when it dies. Under systemd, that
 * is as the main process of a unit (-n), the keeper becomes a unit of its own, by systemd-run(1):
 * as a part of ours it would end with us.
 */
#ifndef CAPTIVE_CAPTIVE_H
#define CAPTIVE_CAPTIVE_H

#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "runtime/state.h"
#include "captive/files.h"
#include "endpoint/endpoint.h"

struct captive;

/*
 * Creates the object; starts nothing. `spec` is borrowed. `foreground`: the keeper logs to standard
 * error. 0, or -errno with *err: USAGE (no such user), FAILED (the working directory was removed),
 * SYSTEM.
 */
int captive_new(struct loop *loop, const struct captive_spec *spec, const char *export_name,
		bool foreground, struct captive **ret_captive, struct err *err);

/* Frees it; accepts NULL. The keeper goes on, unless captive_end() was called. */
void captive_free(struct captive *c);

/* The address of the server's socket. Borrowed; the next two functions set its path. */
const struct endpoint *captive_endpoint(const struct captive *c);

/* The user of --user; (uid_t)-1: it runs as the caller. */
uid_t captive_uid(const struct captive *c);

/* Starts a keeper and waits, at most ten seconds, as a unit a minute, until its socket is there. */
int captive_start(struct captive *c, struct err *err);

/*
 * For a device that is taken over: finds the keeper its state file names, if that is of this
 * attachment, or starts one without waiting for it.
 */
void captive_resume(struct captive *c, int index, const char *identifier);

/* Ends the server and its keeper; blocks until they have ended, some eight seconds at most. */
void captive_end(struct captive *c);

/* The same for a device that has no supervisor, by what its state file says. */
void captive_end_alone(const char *id);

/*
 * Adds what is known about the server to the error of a failed attempt. `first`: no attempt has
 * succeeded yet, and no command waits for the server. Only then can its refusal to start be
 * permanent, and not part of the present outage. May wait a quarter of a second for news of a
 * server that has just died.
 */
void captive_explain(const struct captive *c, bool first, struct err *err);

/* Fills in the state file's fields about the server. */
void captive_report(const struct captive *c, struct state *report);

#endif
