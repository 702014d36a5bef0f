/* SPDX-License-Identifier: MIT */
/*
 * Goes to the background: the command waits until the supervisor reports whether the attachment
 * succeeded, and exits with that status.
 */
#ifndef SUPERVISE_BACKGROUND_H
#define SUPERVISE_BACKGROUND_H

#include <stdbool.h>

#include "base/err.h"
#include "supervise/fsm.h"

/*
 * Forks, before any thread exists and before anything is written to standard output. In the child:
 * returns 0 and *ret_report_fd, the caller's; all other descriptors above standard error are
 * closed. The parent does not return: it blocks until the child reports, and ends with the exit
 * status it was told, or with 1 in place of every failure if plain_status is true; a child that
 * dies silently gives 1. Returns -errno if nothing was forked. SIGINT and SIGTERM that reach the
 * parent meanwhile go on to the child.
 */
int background_start(bool plain_status, int *ret_report_fd, struct err *err);

/* Tells the parent what it waits for; nothing if report_fd is negative. Does not block. */
void background_phase(int report_fd, enum fsm_state state);

/*
 * Tells the parent to end with `status`, after this process if it does not stay; closes the
 * descriptor.
 */
void background_report(int report_fd, int status, bool stays);

/* Cuts the ties to the terminal: standard descriptors to /dev/null, log to syslog. */
void background_detach(void);

#endif
