/* SPDX-License-Identifier: MIT */
/* The device follows the size of the export. Only for the core. */
#ifndef SUPERVISE_GROWING_H
#define SUPERVISE_GROWING_H

struct err;
struct supervisor;

/* Makes the part resize/. 0 or -errno with *err. */
int supervisor_prepare_resize(struct supervisor *s, struct err *err);

#endif
