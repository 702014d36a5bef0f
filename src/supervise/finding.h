/* SPDX-License-Identifier: MIT */
/* The search for a server. Only for the core. */
#ifndef SUPERVISE_FINDING_H
#define SUPERVISE_FINDING_H

#include <stdbool.h>

struct err;
struct supervisor;

/* Makes the part reconnect/. 0 or -errno with *err. */
int supervisor_prepare_reconnect(struct supervisor *s, struct err *err);

/* True if the supervisor looks for a server in this state. */
bool supervisor_dials(const struct supervisor *s);

/*
 * The kernel has accepted the server that at.server and serving describe: remembers it as the one
 * in use.
 */
void supervisor_note_server(struct supervisor *s);

/* The kernel has declined the new server: at.server and serving describe the one in use again. */
void supervisor_recall_server(struct supervisor *s);

#endif
