/* SPDX-License-Identifier: MIT */
/*
 * What every part of the supervisor gets. A part is made by X_new(env, config, events, arg), owns
 * its state, timers, descriptors and jobs, and includes no other part. It reports through its
 * events, in its own words; only the core knows the table. If a part can be left out, X_free() and
 * its other functions accept NULL.
 */
#ifndef SUPERVISE_PART_H
#define SUPERVISE_PART_H

#include "base/loop.h"
#include "base/offload.h"
#include "kernel/kernel.h"
#include "supervise/attachment.h"

struct part_env {
	struct loop *loop;
	struct offload *offload;
	struct kernel *kernel; /* NULL until it is opened */
	const struct attachment *at;
};

#endif
