/* SPDX-License-Identifier: MIT */
/* Resets the signal settings that a child must not inherit when it becomes another program. */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

/* Every signal has its default disposition, and none is blocked. Safe after fork(). */
void signals_reset(void);

#endif
