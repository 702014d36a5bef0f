/* SPDX-License-Identifier: MIT */
/*
 * Runs the command of --fence, which makes sure that a lost server carries out nothing any more.
 * Lives on the loop. The command has its own process group, which is killed when its time is over.
 * Only the end of a killed command is waited for, for at most 100 ms.
 */
#ifndef SUPERVISE_RECONNECT_FENCE_H
#define SUPERVISE_RECONNECT_FENCE_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

#define FENCE_TIMEOUT_MS 60000

struct fence;

/* All borrowed while fence_new() runs. */
struct fence_config {
	const char *command;		   /* for /bin/sh -c */
	int index;			   /* of /dev/nbdN: NBD_DEVICE */
	const char *failed_uri, *next_uri; /* NBD_FAILED_URI, NBD_NEXT_URI */
	uint32_t timeout_ms;
};

/*
 * Called once, from the loop: 0 if the command ended with status 0, or -errno with *err (RETRY), a
 * sentence on how it ended. It may free the fence.
 */
typedef void fence_fn(int ret, const struct err *err, void *arg);

/* 0 or -errno with *err (RETRY): it could not be started. */
int fence_new(struct loop *loop, const struct fence_config *cfg, fence_fn *fn, void *arg,
	      struct fence **ret_fence, struct err *err);

/* Accepts NULL. A command that still runs is killed, with its process group. */
void fence_free(struct fence *f);

#endif
