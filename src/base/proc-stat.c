/* SPDX-License-Identifier: MIT */
#include "base/proc-stat.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"

bool proc_stat_read(pid_t pid, struct proc_stat *ret_stat)
{
	_cleanup_fd_ int fd = -1;
	char path[64], line[512];
	const char *fields;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = held_open(path, O_RDONLY, 0);
	len = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (len <= 0)
		return false;
	line[len] = '\0';
	/* The number and the name in parentheses, which may contain anything, come first. */
	fields = strrchr(line, ')');
	if (!fields || strlen(fields) <= strlen(") S "))
		return false;
	*ret_stat = (struct proc_stat){.state = fields[2], .parent = atoi(fields + strlen(") S "))};
	return true;
}
