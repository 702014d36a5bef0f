/* SPDX-License-Identifier: MIT */
/* Long outages are reported. Only for the core. */
#ifndef SUPERVISE_ACTIONS_ALARM_H
#define SUPERVISE_ACTIONS_ALARM_H

struct err;
struct supervisor;

/* Makes the part that reports long outages. 0 or -errno with *err. */
int supervisor_prepare_alarm(struct supervisor *s, struct err *err);

#endif
