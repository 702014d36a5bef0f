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

/* The kernel uses the connections that the status describes. */
void supervisor_note_server(struct supervisor *s);

/* It does not use the new ones: the status describes those again that it uses. */
void supervisor_recall_server(struct supervisor *s);

#endif
