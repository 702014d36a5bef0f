/* SPDX-License-Identifier: MIT */
/*
 * The step into the background: the command waits until the supervisor it leaves behind says how
 * the attachment went, so that its exit status is the answer.
 */
#ifndef SUPERVISE_BACKGROUND_H
#define SUPERVISE_BACKGROUND_H

#include "base/err.h"

/*
 * Forks, before any thread exists. In the child: returns 0 and *ret_report_fd, the caller's.
 * In the parent: blocks until the child reports or dies, and returns 1 with *ret_status, the exit
 * status to end with; a child that dies silently gives 1. Returns -errno if nothing was forked.
 * SIGINT and SIGTERM that reach the parent meanwhile go on to the child.
 */
int background_start(int *ret_report_fd, int *ret_status, struct err *err);

/* Tells the parent to end with `status`; closes the descriptor. */
void background_report(int report_fd, int status);

/* Cuts the ties to the terminal: standard descriptors to /dev/null, log to syslog. */
void background_detach(void);

#endif
