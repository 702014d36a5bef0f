/* SPDX-License-Identifier: MIT */
/*
 * The figures of all devices in the text format of OpenMetrics 1.0, which Prometheus and its
 * collectors read. Nothing blocks beyond the stream.
 */
#ifndef VERBS_METRICS_H
#define VERBS_METRICS_H

#include <stddef.h>
#include <stdio.h>

#include "runtime/state.h"

struct metrics {
	struct state **state;
	size_t n;
};

/* Copies it. A device that does not fit into memory is left out. */
void metrics_add(struct metrics *m, const struct state *s);
void metrics_print(const struct metrics *m, FILE *out);
void metrics_done(struct metrics *m);

#endif
