/* SPDX-License-Identifier: MIT */
#include "worker/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* The unit hides /dev, and shows its nodes here. */
#define UNIT_DEVICES "/run/nbd-attach/devices"

void look_set_node(struct look_job *job, int index)
{
	snprintf(job->node, sizeof(job->node), "/dev/nbd%d", index);
}

/* O_DIRECT: what the server has, and not what this machine's cache has. */
static int open_node(const char *path)
{
	return open(path, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOCTTY);
}

int look_open(const struct look_job *job)
{
	char path[sizeof(UNIT_DEVICES) + 32];
	int index, fd = open_node(job->node);

	if (fd >= 0 || errno != ENOENT || sscanf(job->node, "/dev/nbd%d", &index) != 1)
		return fd;
	snprintf(path, sizeof(path), UNIT_DEVICES "/nbd%d", index);
	return open_node(path);
}
