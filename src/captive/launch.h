/* SPDX-License-Identifier: MIT */
/*
 * Starts a keeper as a process that does not belong to its starter: this program again, as a
 * child of init, or as a unit of its own. Does not wait for it.
 */
#ifndef CAPTIVE_LAUNCH_H
#define CAPTIVE_LAUNCH_H

#include "captive/files.h"

struct captive_launch {
	const char *id;
	const struct captive_spec *spec;
	const char *directory; /* where the server's relative names begin */
	bool foreground;       /* log to standard error */
	const char *unit;      /* ours, under systemd; NULL: none */
};

/* True if a keeper is to become a unit; *ret_unit is then ours, to be freed. */
bool captive_in_unit(bool foreground, char **ret_unit);

/* 0, or -errno with *err (SYSTEM). */
int captive_launch(const struct captive_launch *launch, struct err *err);

#endif
