/* SPDX-License-Identifier: MIT */
/* What a child that becomes another program must not inherit. */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

/* Every signal has its default disposition, and none is blocked. Safe after fork(). */
void signals_reset(void);

#endif
