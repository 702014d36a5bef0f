/* SPDX-License-Identifier: MIT */
/*
 * An outage, from the loss of the last connection until the device has healed or fails its I/O.
 * Only for the core.
 */
#ifndef SUPERVISE_ACTIONS_OUTAGE_H
#define SUPERVISE_ACTIONS_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "supervise/fsm.h"

struct err;
struct event;
struct supervisor;

/* The timer `expiry` has run out. */
void supervisor_expire(void *arg);

/* Makes the part that hands connections over. 0 or -errno with *err. */
int supervisor_prepare_handover(struct supervisor *s, struct err *err);

/* Actions of the table. */
void supervisor_heal(struct supervisor *s, const struct event *e);
void supervisor_redial(struct supervisor *s, const struct event *e);
void supervisor_lose(struct supervisor *s, const struct event *e);
void supervisor_recover(struct supervisor *s, const struct event *e);
void supervisor_complain(struct supervisor *s, const struct event *e);
void supervisor_hold(struct supervisor *s, const struct event *e);
void supervisor_fail_io(struct supervisor *s, const struct event *e);

/*
 * True for an event whose action has been carried out: the watch repeats a loss as long as all
 * connections are dead, and in a hand-over it begins an outage, which begins once.
 */
bool supervisor_knows(const struct supervisor *s, enum fsm_event event);

/* True for an event that cannot be carried out before the helper thread is done. */
bool supervisor_must_wait(const struct supervisor *s, enum fsm_event event);

/* A hand-over that began before a refused detach may have ended the outage meanwhile. */
void supervisor_recheck_outage(struct supervisor *s);

/* --fail-now: fails the I/O that waits in an outage, as after the dead timeout. */
void supervisor_fail_now(struct supervisor *s);

/* The machine shuts down, or GRACE_NONE: the shutdown is cancelled. */
void supervisor_set_grace(struct supervisor *s, uint32_t seconds);

/* No more dialling: the device is being detached. */
void supervisor_stop_dialling(struct supervisor *s);

#endif
