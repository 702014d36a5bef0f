/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct stub_path stub_path(const char *name)
{
	const char *dir = getenv("NBD_ATTACH_RUNDIR");
	struct stub_path p;

	snprintf(p.text, sizeof(p.text), "%s/stub/%s", dir ? dir : "/nonexistent", name);
	return p;
}

/* Helpers have no directory, and their filters end them for a look at a file. */
bool stub_wanted(const char *name)
{
	if (!getenv("NBD_ATTACH_RUNDIR"))
		return false;
	return access(stub_path(name).text, F_OK) == 0;
}

int stub_connect(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), size = 1 << 20;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (fd < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", stub_path(STUB_SOCKET).text);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int stub_send(int fd, const struct stub_request *r, const void *data, size_t len, const int *fds,
	      size_t n_fds)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(STUB_FDS_MAX * sizeof(int))];
	} control = {.buf = ""};
	struct iovec iov[2] = {
	    {.iov_base = (void *)(uintptr_t)r, .iov_len = sizeof(*r)},
	    {.iov_base = (void *)(uintptr_t)data, .iov_len = len},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = len ? 2 : 1};

	if (n_fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), fds, n_fds * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

ssize_t stub_receive(int fd, struct stub_reply *ret_reply, void *data, size_t size)
{
	struct iovec iov[2] = {
	    {.iov_base = ret_reply, .iov_len = sizeof(*ret_reply)},
	    {.iov_base = data, .iov_len = size},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = size ? 2 : 1};
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, 0);
	} while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof(*ret_reply))
		return n < 0 ? -errno : -EPIPE;
	return n - (ssize_t)sizeof(*ret_reply);
}

int stub_ask(int fd, const struct stub_request *r, const void *data, size_t len, const int *fds,
	     size_t n_fds)
{
	struct stub_reply reply;
	ssize_t n = stub_send(fd, r, data, len, fds, n_fds);

	if (n == 0)
		n = stub_receive(fd, &reply, NULL, 0);
	return n < 0 ? (int)n : reply.error;
}
