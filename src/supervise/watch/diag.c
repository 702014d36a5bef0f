/* SPDX-License-Identifier: MIT */
#include "supervise/watch/diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/peer.h"

#define ANSWER_LIMIT_S 2 /* the kernel answers inside sendmsg(2) */

struct request {
	struct nlmsghdr header;
	union {
		struct inet_diag_req_v2 inet;
		struct unix_diag_req unix_;
	};
};

static void fill_id(const struct diag_socket *s, struct inet_diag_sockid *id)
{
	const struct sockaddr_in *in = (const void *)&s->local, *in_peer = (const void *)&s->peer;
	const struct sockaddr_in6 *in6 = (const void *)&s->local,
				  *in6_peer = (const void *)&s->peer;

	id->idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (s->local.ss_family == AF_INET6) {
		id->idiag_sport = in6->sin6_port;
		id->idiag_dport = in6_peer->sin6_port;
		memcpy(id->idiag_src, &in6->sin6_addr, sizeof(in6->sin6_addr));
		memcpy(id->idiag_dst, &in6_peer->sin6_addr, sizeof(in6_peer->sin6_addr));
		id->idiag_if = in6_peer->sin6_scope_id;
	} else {
		id->idiag_sport = in->sin_port;
		id->idiag_dport = in_peer->sin_port;
		memcpy(id->idiag_src, &in->sin_addr, sizeof(in->sin_addr));
		memcpy(id->idiag_dst, &in_peer->sin_addr, sizeof(in_peer->sin_addr));
	}
}

static void fill(const struct diag_socket *s, int type, struct request *r)
{
	*r = (struct request){
	    .header = {.nlmsg_type = (uint16_t)type, .nlmsg_flags = NLM_F_REQUEST}};
	if (type == SOCK_DESTROY)
		r->header.nlmsg_flags |= NLM_F_ACK;
	if (s->local.ss_family == 0) {
		r->header.nlmsg_len = NLMSG_LENGTH(sizeof(r->unix_));
		r->unix_ = (struct unix_diag_req){.sdiag_family = AF_UNIX,
						  .udiag_states = UINT32_MAX,
						  .udiag_ino = (uint32_t)s->inode,
						  .udiag_show = UDIAG_SHOW_PEER};
		memset(r->unix_.udiag_cookie, 0xff, sizeof(r->unix_.udiag_cookie));
		return;
	}
	r->header.nlmsg_len = NLMSG_LENGTH(sizeof(r->inet));
	r->inet = (struct inet_diag_req_v2){.sdiag_family = (uint8_t)s->local.ss_family,
					    .sdiag_protocol = IPPROTO_TCP,
					    .idiag_ext = 1 << (INET_DIAG_INFO - 1),
					    .idiag_states = UINT32_MAX};
	fill_id(s, &r->inet.id);
}

/* The kernel's answer: its length, or -errno. */
static ssize_t exchange(const struct request *r, void *buf, size_t size)
{
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	const struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
	ssize_t n;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(fd, r, r->header.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, buf, size, 0);
	return n < 0 ? -errno : n;
}

/* The attribute's payload, at least `least` bytes long; NULL: it is not there. */
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
	/* Another connection may have got the addresses of one that is gone. */
	if (d->idiag_state != PEER_TCP_ESTABLISHED ||
	    (s->inode && d->idiag_inode && d->idiag_inode != (uint32_t)s->inode))
		return DIAG_DEAD;
	info = attribute(msg, sizeof(*d), INET_DIAG_INFO, 1, &len);
	if (info)
		memcpy(ret_info, info, len < sizeof(*ret_info) ? len : sizeof(*ret_info));
	return DIAG_ALIVE;
}

/* A Unix socket keeps its peer when that is gone; what it gets is a shutdown in both directions. */
static enum diag_answer read_unix(const struct nlmsghdr *msg)
{
	const uint8_t *shut;
	size_t len;

	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
		return DIAG_UNKNOWN;
	shut = attribute(msg, sizeof(struct unix_diag_msg), UNIX_DIAG_SHUTDOWN, 1, &len);
	return !shut ? DIAG_UNKNOWN : *shut ? DIAG_DEAD : DIAG_ALIVE;
}

enum diag_answer diag_read(const void *answer, size_t len, const struct diag_socket *s,
			   struct tcp_info *ret_info)
{
	const struct nlmsghdr *msg = answer;
	const struct nlmsgerr *e = NLMSG_DATA(msg);

	*ret_info = (struct tcp_info){.tcpi_state = 0};
	if (!NLMSG_OK(msg, len))
		return DIAG_UNKNOWN;
	if (msg->nlmsg_type == NLMSG_ERROR)
		return msg->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && e->error == -ENOENT
			   ? DIAG_DEAD
			   : DIAG_UNKNOWN;
	if (msg->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return DIAG_UNKNOWN;
	return s->local.ss_family ? read_inet(msg, s, ret_info) : read_unix(msg);
}

enum diag_answer diag_ask(const struct diag_socket *s, struct tcp_info *ret_info)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO))) = "";
	struct request r;
	ssize_t n;

	fill(s, SOCK_DIAG_BY_FAMILY, &r);
	n = exchange(&r, buf, sizeof(buf));
	return diag_read(buf, n < 0 ? 0 : (size_t)n, s, ret_info);
}

/* A peer that is closed has no inode any more. */
enum diag_answer diag_read_peer(const void *answer, size_t len)
{
	const struct nlmsghdr *msg = answer;
	const uint32_t *peer;
	size_t size;

	if (!NLMSG_OK(msg, len) || msg->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    msg->nlmsg_len < NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
		return DIAG_UNKNOWN;
	peer = attribute(msg, sizeof(struct unix_diag_msg), UNIX_DIAG_PEER, sizeof(*peer), &size);
	return peer && *peer ? DIAG_ALIVE : DIAG_DEAD;
}

enum diag_answer diag_unix_peer(int fd)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO))) = "";
	struct diag_socket s = {.inode = 0};
	struct request r;
	ssize_t n;

	if (diag_describe(fd, &s) < 0)
		return DIAG_UNKNOWN;
	fill(&s, SOCK_DIAG_BY_FAMILY, &r);
	n = exchange(&r, buf, sizeof(buf));
	return s.local.ss_family || n < 0 ? DIAG_UNKNOWN : diag_read_peer(buf, (size_t)n);
}

bool diag_destroy(const struct diag_socket *s)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO))) = "";
	const struct nlmsghdr *msg = (const void *)buf;
	const struct nlmsgerr *e = NLMSG_DATA(msg);
	struct request r;
	ssize_t n;

	fill(s, SOCK_DESTROY, &r);
	n = exchange(&r, buf, sizeof(buf));
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
