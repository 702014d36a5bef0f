/* SPDX-License-Identifier: MIT */
/* Attaches the device, or takes it over. Only for the core. */
#ifndef SUPERVISE_ATTACHING_H
#define SUPERVISE_ATTACHING_H

struct err;
struct event;
struct supervisor;

/* Makes the parts that attach the device or take it over. 0 or -errno with *err. */
int supervisor_prepare_attach(struct supervisor *s, struct err *err);

/* Actions of the table. */
void supervisor_configure(struct supervisor *s, const struct event *e);
void supervisor_adopt(struct supervisor *s, const struct event *e);

#endif
