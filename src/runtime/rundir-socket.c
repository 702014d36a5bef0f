/* SPDX-License-Identifier: MIT */
#include "runtime/rundir-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

static int address(const char *path, struct sockaddr_un *ret_sa)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	*ret_sa = sa;
	return 0;
}

int rundir_listen(const char *path, int type, int backlog)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;
	int ret = fd < 0 ? -errno : address(path, &sa);
	mode_t mask;

	if (ret < 0)
		return ret;
	unlink(path);
	mask = umask(0177);
	ret = bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	umask(mask);
	if (ret == 0 && listen(fd, backlog) < 0)
		ret = -errno;
	return ret < 0 ? ret : TAKE_FD(fd);
}

int rundir_connect(const char *path, unsigned limit_ms)
{
	const struct timeval limit = {.tv_sec = limit_ms / 1000,
				      .tv_usec = limit_ms % 1000 * 1000L};
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	int ret = fd < 0 ? -errno : address(path, &sa);

	if (ret < 0)
		return ret;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	/*
	 * A connect(2) that a signal interrupted is simply repeated: on a unix(7) socket it has not
	 * begun.
	 */
	do
		ret = connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	while (ret == -EINTR);
	if (ret < 0)
		return ret == -ECONNREFUSED ? -ENOENT : ret;
	return TAKE_FD(fd);
}
