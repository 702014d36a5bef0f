/* SPDX-License-Identifier: MIT */
/* This supervisor follows another one. Only for the core. */
#ifndef SUPERVISE_INHERITING_H
#define SUPERVISE_INHERITING_H

struct err;
struct supervisor;

/*
 * Before anything is locked: takes the device from the supervisor that is in charge, if there is
 * one that hands it over; s->at.index then tells. 0, or -errno with *err: the device stays there.
 */
int supervisor_succeed(struct supervisor *s, struct err *err);

#endif
