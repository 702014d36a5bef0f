/* SPDX-License-Identifier: MIT */
#include "worker/look.h"

#include <fcntl.h>
#include <stdio.h>

void look_set_node(struct look_job *job, int index)
{
	snprintf(job->node, sizeof(job->node), "/dev/nbd%d", index);
}

/* O_DIRECT: what the server has, and not what this machine's cache has. */
int look_open(const struct look_job *job)
{
	return open(job->node, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOCTTY);
}
