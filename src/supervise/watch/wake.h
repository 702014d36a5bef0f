/* SPDX-License-Identifier: MIT */
/*
 * Reports that the machine was suspended, after it has woken up. Lives on the loop; nothing blocks.
 */
#ifndef SUPERVISE_WATCH_WAKE_H
#define SUPERVISE_WATCH_WAKE_H

#include <stdint.h>

#include "base/loop.h"

struct wake;

/* The machine was suspended for that time. */
typedef void wake_fn(uint64_t ms, void *arg);

/* NULL: sleeps cannot be noticed. */
struct wake *wake_new(struct loop *loop, wake_fn *fn, void *arg);
void wake_free(struct wake *w); /* accepts NULL */

#endif
