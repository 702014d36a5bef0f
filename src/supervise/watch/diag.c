/* SPDX-License-Identifier: MIT */
#include "supervise/watch/diag.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/stat.h>

#include "base/peer.h"
#include "base/sock-diag.h"

struct unix_request {
	struct nlmsghdr header;
	struct unix_diag_req body;
};

static void fill_unix(const struct diag_socket *s, struct unix_request *r)
{
	*r = (struct unix_request){
	    .header = {.nlmsg_type = SOCK_DIAG_BY_FAMILY,
		       .nlmsg_flags = NLM_F_REQUEST,
		       .nlmsg_len = NLMSG_LENGTH(sizeof(r->body))},
	    .body = {.sdiag_family = AF_UNIX,
		     .udiag_states = UINT32_MAX,
		     .udiag_ino = (uint32_t)s->inode,
		     .udiag_show = UDIAG_SHOW_PEER},
	};
	memset(r->body.udiag_cookie, 0xff, sizeof(r->body.udiag_cookie));
}

/* The kernel's answer: its length, or -errno. */
static ssize_t ask(const struct diag_socket *s, void *buf, size_t size)
{
	struct sock_diag_inet tcp;
	struct unix_request local;

	if (s->local.ss_family) {
		sock_diag_tcp(SOCK_DIAG_BY_FAMILY, &s->local, &s->peer, &tcp);
		return sock_diag_exchange(&tcp.header, buf, size);
	}
	fill_unix(s, &local);
	return sock_diag_exchange(&local.header, buf, size);
}

/* The attribute's payload, at least `least` bytes long; NULL: there is none. */
static const void *attribute(const struct nlmsghdr *msg, size_t head, int type, size_t least,
			     size_t *ret_len)
{
	const struct rtattr *a = (const void *)((const char *)NLMSG_DATA(msg) + NLMSG_ALIGN(head));
	int left = (int)(msg->nlmsg_len - NLMSG_LENGTH(head));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type != type || RTA_PAYLOAD(a) < least)
			continue;
		*ret_len = RTA_PAYLOAD(a);
		return RTA_DATA(a);
	}
	return NULL;
}

static enum diag_answer read_inet(const struct nlmsghdr *msg, const struct diag_socket *s,
				  struct tcp_info *ret_info)
{
	const struct inet_diag_msg *d = NLMSG_DATA(msg);
	const void *info;
	size_t len;

	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(*d)))
		return DIAG_UNKNOWN;
	/* Another connection may use the addresses of one that has ended. */
	if (s->inode && d->idiag_inode && d->idiag_inode != (uint32_t)s->inode)
		return DIAG_GONE;
	info = attribute(msg, sizeof(*d), INET_DIAG_INFO, 1, &len);
	if (info)
		memcpy(ret_info, info, len < sizeof(*ret_info) ? len : sizeof(*ret_info));
	/* The answer for a socket in TIME_WAIT has no INET_DIAG_INFO, but tells the state. */
	ret_info->tcpi_state = d->idiag_state;
	switch (d->idiag_state) {
	case PEER_TCP_ESTABLISHED:
		return DIAG_ALIVE;
	case PEER_TCP_CLOSE_WAIT:
	case PEER_TCP_LAST_ACK:
		return DIAG_DEAD;
	case PEER_TCP_FIN_WAIT1:
	case PEER_TCP_FIN_WAIT2:
	case PEER_TCP_CLOSING:
	case PEER_TCP_TIME_WAIT:
		return DIAG_SHUT;
	default:
		return DIAG_GONE;
	}
}

/* A closed peer has no inode. */
static bool unix_peer_is_open(const struct nlmsghdr *msg)
{
	size_t size;
	const uint32_t *peer =
	    attribute(msg, sizeof(struct unix_diag_msg), UNIX_DIAG_PEER, sizeof(*peer), &size);

	return peer && *peer;
}

/*
 * A Unix socket keeps its peer when that has closed, but is shut down in both directions. If its
 * peer is open, it was shut down at our side, or by a peer that lives.
 */
static enum diag_answer read_unix(const struct nlmsghdr *msg)
{
	const uint8_t *shut;
	size_t len;

	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
		return DIAG_UNKNOWN;
	shut = attribute(msg, sizeof(struct unix_diag_msg), UNIX_DIAG_SHUTDOWN, 1, &len);
	if (!shut)
		return DIAG_UNKNOWN;
	if (!*shut)
		return DIAG_ALIVE;
	return unix_peer_is_open(msg) ? DIAG_SHUT : DIAG_DEAD;
}

enum diag_answer diag_read(const void *answer, size_t len, const struct diag_socket *s,
			   struct tcp_info *ret_info)
{
	const struct nlmsghdr *msg = answer;

	*ret_info = (struct tcp_info){.tcpi_state = 0};
	if (!NLMSG_OK(msg, len))
		return DIAG_UNKNOWN;
	if (msg->nlmsg_type == NLMSG_ERROR)
		return sock_diag_error(msg) == ENOENT ? DIAG_GONE : DIAG_UNKNOWN;
	if (msg->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return DIAG_UNKNOWN;
	return s->local.ss_family ? read_inet(msg, s, ret_info) : read_unix(msg);
}

enum diag_answer diag_ask(const struct diag_socket *s, struct tcp_info *ret_info)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO))) = "";
	ssize_t n = ask(s, buf, sizeof(buf));

	return diag_read(buf, n < 0 ? 0 : (size_t)n, s, ret_info);
}

enum diag_answer diag_read_peer(const void *answer, size_t len)
{
	const struct nlmsghdr *msg = answer;

	if (!NLMSG_OK(msg, len) || msg->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    msg->nlmsg_len < NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
		return DIAG_UNKNOWN;
	return unix_peer_is_open(msg) ? DIAG_ALIVE : DIAG_DEAD;
}

enum diag_answer diag_unix_peer(int fd)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO))) = "";
	struct diag_socket s = {.inode = 0};
	ssize_t n;

	if (diag_describe(fd, &s) < 0)
		return DIAG_UNKNOWN;
	n = ask(&s, buf, sizeof(buf));
	return s.local.ss_family || n < 0 ? DIAG_UNKNOWN : diag_read_peer(buf, (size_t)n);
}

bool diag_destroy(const struct diag_socket *s)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO))) = "";
	const struct nlmsghdr *msg = (const void *)buf;
	const struct nlmsgerr *e = NLMSG_DATA(msg);
	struct sock_diag_inet r;
	ssize_t n;

	if (s->local.ss_family == 0)
		return false;
	sock_diag_tcp(SOCK_DESTROY, &s->local, &s->peer, &r);
	n = sock_diag_exchange(&r.header, buf, sizeof(buf));
	return n >= (ssize_t)NLMSG_LENGTH(sizeof(*e)) && msg->nlmsg_type == NLMSG_ERROR &&
	       e->error == 0;
}

int diag_describe(int fd, struct diag_socket *ret_socket)
{
	struct diag_socket s = {.inode = 0};
	socklen_t len = sizeof(s.local), peer_len = sizeof(s.peer);
	struct stat st;

	if (fstat(fd, &st) < 0 || getsockname(fd, (void *)&s.local, &len) < 0 ||
	    getpeername(fd, (void *)&s.peer, &peer_len) < 0)
		return -errno;
	s.inode = st.st_ino;
	if (s.local.ss_family != AF_INET && s.local.ss_family != AF_INET6)
		s.local.ss_family = 0;
	*ret_socket = s;
	return 0;
}
