/* SPDX-License-Identifier: MIT */
/*
 * One event at a time: its step is carried out after the callback of the loop that posted it.
 * Only for the core.
 */
#ifndef SUPERVISE_STEPS_H
#define SUPERVISE_STEPS_H

#include "supervise/fsm.h"

struct err;
struct supervisor;

/*
 * Carries out the first action. From then on the queue is emptied after each callback of the loop.
 */
void supervisor_begin(struct supervisor *s, enum fsm_action action);

/* Posts an event. Its step is carried out after the callback. */
void supervisor_post(struct supervisor *s, enum fsm_event event, const struct err *err);

/* The status has changed: it is computed and reported when the queue is empty. */
void supervisor_touch(struct supervisor *s);

#endif
