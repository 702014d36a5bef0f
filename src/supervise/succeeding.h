/* SPDX-License-Identifier: MIT */
/* One supervisor follows another. Only for the core. */
#ifndef SUPERVISE_SUCCEEDING_H
#define SUPERVISE_SUCCEEDING_H

struct err;
struct event;
struct supervisor;

/*
 * Under a service manager: starts a supervisor that reads the configuration again and takes the
 * device over from us. Logs why that is not possible now.
 */
void supervisor_renew(struct supervisor *s);

/* Another supervisor asks for the device by this version of the protocol. */
void supervisor_give(struct supervisor *s, unsigned version);

/* Actions of the table. */
void supervisor_offer(struct supervisor *s, const struct event *e);
void supervisor_keep(struct supervisor *s, const struct event *e);
void supervisor_end_given(struct supervisor *s, const struct event *e);

/*
 * Before anything is locked: takes the device from the supervisor that is in charge, if there is
 * one that hands it over; s->at.index then tells. 0, or -errno with *err: the device stays there.
 */
int supervisor_succeed(struct supervisor *s, struct err *err);

#endif
