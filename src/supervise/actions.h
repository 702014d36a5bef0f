/* SPDX-License-Identifier: MIT */
/* The actions of the table, and those that begin and end an attachment. Only for the core. */
#ifndef SUPERVISE_ACTIONS_H
#define SUPERVISE_ACTIONS_H

#include "supervise/fsm.h"

struct err;
struct event;
struct supervisor;

/* Carries out an action of the table. It may post further events, which come after it. */
typedef void supervisor_action_fn(struct supervisor *s, const struct event *e);

extern supervisor_action_fn *const supervisor_actions[FSM_ACTIONS];

/* From here on jobs may block, with a device that is in use. */
void supervisor_start_thread(struct supervisor *s);

/* Makes the part that detaches the device. 0 or -errno with *err. */
int supervisor_prepare_detach(struct supervisor *s, struct err *err);

/* The device and its partitions are ready. */
void supervisor_ready(struct supervisor *s);

#endif
