/* SPDX-License-Identifier: MIT */
/*
 * The end of everything a server has started: its process group, and whatever else has become a
 * child of this process, which must be a subreaper (PR_SET_CHILD_SUBREAPER). Blocks, within bounds.
 */
#ifndef CAPTIVE_STRAYS_H
#define CAPTIVE_STRAYS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Called every few milliseconds while they end. */
typedef void strays_fn(void *arg);

/*
 * SIGTERM, and SIGKILL `patience_ms` later, to the group of `leader`, reaped or not, and to all
 * children. Returns when there is none, or after two seconds more, with the number of
 * children that were there. `meanwhile` may be NULL. May be called by a handler of signals, in a
 * process with one thread.
 */
unsigned strays_end(pid_t leader, unsigned patience_ms, strays_fn *meanwhile, void *arg);

/*
 * The same for every process whose environment had `variable` with this value when its program was
 * started, with any parent. Returns how many there were at first. For processes that are left after
 * their keeper was killed; reads all of /proc, so use it rarely.
 */
unsigned strays_end_marked(const char *variable, const char *value, unsigned patience_ms);

#endif
