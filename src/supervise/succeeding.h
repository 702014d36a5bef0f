/* SPDX-License-Identifier: MIT */
/* This supervisor hands its device over to another one. Only for the core. */
#ifndef SUPERVISE_SUCCEEDING_H
#define SUPERVISE_SUCCEEDING_H

struct err;
struct event;
struct supervisor;

/*
 * Under a service manager: starts a supervisor that reads the configuration again and takes the
 * device over from us. Its process ID, or -1 with *err: why that is not possible now.
 */
int supervisor_renew(struct supervisor *s, struct err *err);

/* Another supervisor asks for the device by this version of the protocol. */
void supervisor_give(struct supervisor *s, unsigned version);

/* Actions of the table. */
void supervisor_offer(struct supervisor *s, const struct event *e);
void supervisor_keep(struct supervisor *s, const struct event *e);
void supervisor_end_given(struct supervisor *s, const struct event *e);

#endif
