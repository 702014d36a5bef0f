/* SPDX-License-Identifier: MIT */
/* The latest states of a device with their times, as one line of text. Pure. */
#ifndef RUNTIME_HISTORY_H
#define RUNTIME_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#define HISTORY_MAX 768 /* bytes: about 30 states */

/*
 * Adds `SECONDS STATE` (seconds since 1970), with a comma before it. Drops the oldest states to
 * make room for it.
 */
void history_add(char history[HISTORY_MAX], int64_t when, const char *state);

#endif
