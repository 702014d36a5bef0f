/* SPDX-License-Identifier: MIT */
/*
 * The process that reads the identifiers on an attached device (base/ids.h) from its node. It opens
 * the node with the caller's rights, gives up every right (sandbox.h), and only then flushes and
 * reads it, because a server chooses what it reads. It has no other descriptor of the caller's. If
 * the server does not answer it may hang, and a signal then ends it only when the server is back or
 * I/O fails.
 */
#ifndef WORKER_LOOK_H
#define WORKER_LOOK_H

#include <stdint.h>

#include "base/ids.h"
#include "base/process.h"
#include "worker/sandbox.h"

struct look_job {
	struct sandbox sandbox;
	char node[128];	     /* the device's path */
	uint64_t size;	     /* bytes: as of a disk of that size */
	uint32_t block_size; /* of the device */
};

/* The process; its setup is a struct look_job. */
process_fn look_run;

/* look-node.c: fills the path of a device, and opens it. A descriptor, or -1 with errno. */
void look_set_node(struct look_job *job, int index);
int look_open(const struct look_job *job);

/* Receives its one answer. 0, -EAGAIN, or another -errno: it could not be read. */
int look_receive(int fd, struct ids *ret_ids);

#endif
