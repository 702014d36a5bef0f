/* SPDX-License-Identifier: MIT */
#include "base/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"

#define SELF "/proc/self/oom_score_adj"

int oom_set(const char *score)
{
	_cleanup_fd_ int fd = held_open(SELF, O_WRONLY, 0);

	return fd < 0 || write(fd, score, strlen(score)) < 0 ? -errno : 0;
}

void oom_be_ordinary(pid_t pid)
{
	char path[64] = SELF, sign;
	_cleanup_fd_ int fd = -1;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	fd = held_open(path, O_RDWR, 0);
	if (fd >= 0 && pread(fd, &sign, 1, 0) == 1 && sign == '-')
		(void)!pwrite(fd, OOM_ORDINARY, strlen(OOM_ORDINARY), 0);
}
