/* SPDX-License-Identifier: MIT */
/*
 * For `auto`: whether an attached device is the one that is asked for again. Several devices can
 * read one export, and each belongs to the attachment that made it: an attachment is known by its
 * identifier, its name, and whether read-only was asked for.
 */
#ifndef SUPERVISE_ATTACH_OWN_H
#define SUPERVISE_ATTACH_OWN_H

#include <stdbool.h>

#include "base/err.h"
#include "runtime/state.h"

struct own_wanted {
	const char *identifier;
	const char *name;    /* NULL: none */
	const char *options; /* as in a state file; NULL or "": not known */
	bool read_only;
};

enum own {
	OWN_NOT,
	OWN_PERHAPS, /* nothing says that it is another one's */
	OWN_CERTAIN,
};

/*
 * Compares device `index`. The kernel says which export it has and whether it is read-only; the
 * rest is in the state file, for which `room` is the caller's room.
 */
enum own own_match(int index, const struct own_wanted *wanted, struct state *room);

/*
 * For a device that own_match() calls OWN_NOT: 0 if another one can be attached beside it, or
 * -EBUSY with what differs in *err: both would write to the export, or have the same name.
 */
int own_excludes(int index, const struct own_wanted *wanted, struct state *room, struct err *err);

#endif
