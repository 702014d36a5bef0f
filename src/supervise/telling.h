/* SPDX-License-Identifier: MIT */
/* The status is collected from the parts. Only for the core. */
#ifndef SUPERVISE_TELLING_H
#define SUPERVISE_TELLING_H

struct err;
struct supervisor;

/* Makes the part that reports the status. 0 or -errno with *err. */
int supervisor_prepare_report(struct supervisor *s, struct err *err);

/* Tells the service manager the status. */
void supervisor_tell(const struct supervisor *s);

#endif
