/* SPDX-License-Identifier: MIT */
/*
 * The process that workers of a device under swap or the root file system are copies of. Executing
 * a program reads files, which may be on the very device that has to be reconnected. So this one is
 * executed before the device is attached, loads what a worker needs, locks it in memory, drops
 * root's rights, and forks on request. The workers of one such device share its layout.
 *
 * Under the root file system, systemd must spare them all, and does that only for processes whose
 * real uid is root's, so that one stays (sandbox.h). Telling a relay to end instead would not do:
 * an end of the connection does not show that the server has ended with what it holds.
 *
 * It receives messages only from its parent. Its copies are children of that parent, as if it had
 * started them itself, and keep nothing of the zygote's descriptors but their own.
 */
#ifndef WORKER_ZYGOTE_H
#define WORKER_ZYGOTE_H

#include "base/err.h"
#include "base/process.h"
#include "worker/worker.h"

/* With a request travels the new worker's end of its socket pair. */
struct zygote_request {
	struct worker_config worker; /* but for the sandbox, which was entered */
};

/* The first comes unasked: 0 if it is ready. The others: the worker's process id. */
struct zygote_answer {
	int32_t ret; /* or -errno with err */
	struct err err;
};

process_fn zygote_run; /* its setup is a struct worker_config */

#endif
