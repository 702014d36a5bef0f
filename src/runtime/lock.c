/* SPDX-License-Identifier: MIT */
#include "runtime/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"

int lock_sign(int fd)
{
	char pid[16];
	int len = snprintf(pid, sizeof(pid), "%d\n", getpid());

	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)len, 0) != len)
		return -errno;
	return 0;
}

static int read_pid(int fd)
{
	char pid[16] = "";

	if (pread(fd, pid, sizeof(pid) - 1, 0) < 0)
		return 0;
	return atoi(pid);
}

int lock_take(const char *path, const char *what, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	int ret;

	if (fd < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_errno(err, ERR_SYSTEM, errno, "cannot lock %s", path);
		return err_set(
		    err, ERR_BUSY, EBUSY,
		    "%s is attached already, by the nbd-attach process %d: detach it first", what,
		    read_pid(fd));
	}
	ret = lock_sign(fd);
	if (ret < 0)
		return err_errno(err, ERR_SYSTEM, -ret, "cannot write %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int lock_holder(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0;
	return read_pid(fd);
}
