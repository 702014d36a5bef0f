/* SPDX-License-Identifier: MIT */
/*
 * The privileged side of the zygote (worker/zygote.h): workers that are started without reading a
 * file. Starting one waits for the zygote's answer, which takes about a millisecond: it has no
 * other source of messages. The struct owns the zygote.
 */
#ifndef TRANSPORT_NURSERY_H
#define TRANSPORT_NURSERY_H

#include "base/err.h"
#include "base/process.h"
#include "worker/worker.h"

struct nursery {
	struct process zygote; /* PROCESS_NONE: none */
	bool ready;	       /* it has said so */
	const struct process_seed *seed;
	struct worker_config cfg;
};

/* Starts the zygote for workers such as `cfg` says. The seed is borrowed. 0 or -errno (SYSTEM). */
int nursery_init(struct nursery *n, const struct process_seed *seed,
		 const struct worker_config *cfg, struct err *err);
void nursery_done(struct nursery *n);

/*
 * A worker, as process_start() gives it. A zygote that has ended is replaced, and the log tells,
 * for that reads files. 0 or -errno (SYSTEM).
 */
int nursery_worker(struct nursery *n, const struct worker_config *cfg, struct process *ret_process,
		   struct err *err);

#endif
