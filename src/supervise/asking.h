/* SPDX-License-Identifier: MIT */
/* Requests of other processes. Only for the core. */
#ifndef SUPERVISE_ASKING_H
#define SUPERVISE_ASKING_H

struct supervisor;

/* Makes the part that receives requests. 0 or -errno. */
int supervisor_prepare_requests(struct supervisor *s);

#endif
