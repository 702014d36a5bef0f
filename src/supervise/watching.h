/* SPDX-License-Identifier: MIT */
/* What the watch and the kernel's log tell of the connections. Only for the core. */
#ifndef SUPERVISE_WATCHING_H
#define SUPERVISE_WATCHING_H

struct supervisor;

/* Makes the watch. 0 or -ENOMEM. */
int supervisor_prepare_watch(struct supervisor *s);

/* Reads of the kernel's log what requests the server has answered with an error. */
void supervisor_look_at_errors(struct supervisor *s);

#endif
