/* SPDX-License-Identifier: MIT */
#include "runtime/grace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "runtime/rundir.h"

static struct rundir_path file(void)
{
	struct rundir_path p;

	snprintf(p.text, sizeof(p.text), "%s/shutdown", rundir());
	return p;
}

int grace_write(uint32_t seconds, struct err *err)
{
	struct rundir_path path = file();
	_cleanup_fd_ int fd = -1;

	if (seconds == GRACE_NONE) {
		if (held_unlink(path.text) == 0 || errno == ENOENT)
			return 0;
		return err_errno(err, ERR_SYSTEM, errno, "cannot remove %s", path.text);
	}
	fd = held_open(path.text, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || dprintf(fd, "%u\n", seconds) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot write %s", path.text);
	return 0;
}

uint32_t grace_read(void)
{
	struct rundir_path path = file();
	_cleanup_fd_ int fd = held_open(path.text, O_RDONLY, 0);
	char text[16];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	unsigned long value;

	if (n <= 0)
		return GRACE_NONE;
	text[n] = '\0';
	value = strtoul(text, NULL, 10);
	return value < GRACE_NONE ? (uint32_t)value : GRACE_NONE;
}
