/* SPDX-License-Identifier: MIT */
#include "transport/owner.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/peer.h"
#include "base/sock-diag.h"

int owner_read(const void *answer, size_t len, uid_t *ret_uid)
{
	const struct nlmsghdr *msg = answer;
	const struct inet_diag_msg *d = NLMSG_DATA(msg);
	int error;

	if (!NLMSG_OK(msg, len))
		return -EPROTO;
	error = sock_diag_error(msg);
	if (error)
		return error == ENOENT ? -ENOENT : -EPROTO;
	if (msg->nlmsg_type != SOCK_DIAG_BY_FAMILY || msg->nlmsg_len < NLMSG_LENGTH(sizeof(*d)))
		return -EPROTO;
	/*
	 * Where no such connection is left, the kernel answers with the socket that listens at the
	 * address. A connection without an inode belongs to no process (not yet, or no longer).
	 */
	if (d->idiag_state != PEER_TCP_ESTABLISHED || !d->idiag_inode)
		return -ENOENT;
	*ret_uid = d->idiag_uid;
	return 0;
}

static int ask(const struct sockaddr_storage *local, const struct sockaddr_storage *peer,
	       uid_t *ret_uid)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO))) = "";
	struct sock_diag_inet request;
	ssize_t n;

	sock_diag_tcp(SOCK_DIAG_BY_FAMILY, local, peer, &request);
	n = sock_diag_exchange(&request.header, buf, sizeof(buf));
	return n < 0 ? (int)n : owner_read(buf, (size_t)n, ret_uid);
}

static int refuse_silence(int error, struct err *err)
{
	return err_errno(err, ERR_SYSTEM, error,
			 "the kernel does not tell which user serves a TCP connection, so "
			 "--peer-uid cannot be used (it needs the modules inet_diag and tcp_diag)");
}

/*
 * The server's end was not found. If our own end is not found, either, the kernel reports no
 * connections.
 */
static int explain(const struct sockaddr_storage *local, const struct sockaddr_storage *peer,
		   int fd, struct err *err)
{
	struct tcp_info info = {.tcpi_state = 0};
	socklen_t len = sizeof(info);
	uid_t uid;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	    info.tcpi_state != PEER_TCP_ESTABLISHED)
		return err_set(err, ERR_RETRY, ECONNRESET, "the server has closed the connection");
	if (ask(local, peer, &uid) < 0)
		return refuse_silence(ENOENT, err);
	return err_set(err, ERR_PERMANENT, EPERM,
		       "no process of this machine and network namespace serves the connection, so "
		       "--peer-uid refuses it");
}

static int tcp_owner(int fd, uid_t *ret_uid, struct err *err)
{
	struct sockaddr_storage local = {.ss_family = 0}, peer = {.ss_family = 0};
	socklen_t len = sizeof(local), peer_len = sizeof(peer);
	int ret;

	if (getsockname(fd, (void *)&local, &len) < 0)
		return err_errno(err, ERR_FAILED, errno, "cannot read the socket's address");
	if (getpeername(fd, (void *)&peer, &peer_len) < 0)
		return err_set(err, ERR_RETRY, errno, "the server has closed the connection");
	ret = ask(&peer, &local, ret_uid);
	if (ret == -ENOENT)
		return explain(&local, &peer, fd, err);
	return ret < 0 ? refuse_silence(-ret, err) : 0;
}

int owner_of_unix(int fd, const char *what, uid_t *ret_uid, struct err *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_errno(err, ERR_FAILED, errno, "cannot tell which user serves %s", what);
	*ret_uid = cred.uid;
	return 0;
}

int owner_check(int fd, uid_t wanted, struct err *err)
{
	int family = 0, ret;
	socklen_t len = sizeof(family);
	uid_t uid = (uid_t)-1;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
		return err_errno(err, ERR_FAILED, errno, "cannot examine the socket");
	if (family == AF_UNIX)
		ret = owner_of_unix(fd, "the socket", &uid, err);
	else
		ret = tcp_owner(fd, &uid, err);
	if (ret < 0 || uid == wanted)
		return ret;
	return err_set(err, ERR_PERMANENT, EPERM,
		       "another user's server answers: it is uid %u, and --peer-uid wants %u",
		       (unsigned)uid, (unsigned)wanted);
}
