/* SPDX-License-Identifier: MIT */
/*
 * What every part of the supervisor is given. A part is made by X_new(env, config, events, arg),
 * owns its state, timers, descriptors and jobs, and includes no other part. What it finds out it
 * says through its events, in its own words; only the core knows the table. X_free() and every
 * other function of a part accept NULL, where a part can be left out.
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
