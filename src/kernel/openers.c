/* SPDX-License-Identifier: MIT */
#include "kernel/openers.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/sysfs.h"

void openers_init(struct openers *o, int index)
{
	openers_init_at(o, sysfs_root(), index);
}

void openers_init_at(struct openers *o, const char *sys, int index)
{
	/* A driver that is built into the kernel has no such file. */
	int len = snprintf(o->references, sizeof(o->references), "%s/module/nbd/refcnt", sys);

	snprintf(o->attached, sizeof(o->attached), "%s/block/nbd%d/pid", sys, index);
	if (len >= OPENERS_PATH_MAX - 16) /* the other may be longer by as much */
		o->references[0] = '\0';
}

/* A decimal number and a line feed. -1: something else. */
static long read_number(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[16];
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));
	long number = 0;

	if (len < 2 || text[len - 1] != '\n')
		return -1;
	for (ssize_t i = 0; i < len - 1 && i < 9; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		number = number * 10 + text[i] - '0';
	}
	return len > 10 ? -1 : number;
}

bool openers_none(const struct openers *o, unsigned own)
{
	/*
	 * The attachment must have its reference while the references are counted. The driver
	 * removes this file before it gives that reference up, and makes a new file for the next
	 * attachment (see sysfs_mark()).
	 */
	_cleanup_fd_ int attached = open(o->attached, O_RDONLY | O_CLOEXEC);

	return attached >= 0 && read_number(o->references) == 1 + (long)own &&
	       sysfs_mark_valid(attached);
}
