/* SPDX-License-Identifier: MIT */
#include "base/sock-diag.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>

#include "base/cleanup.h"

#define ANSWER_LIMIT_S 2 /* the kernel answers inside sendmsg(2) */

static void fill_id(const struct sockaddr_storage *local, const struct sockaddr_storage *peer,
		    struct inet_diag_sockid *id)
{
	const struct sockaddr_in *in = (const void *)local, *in_peer = (const void *)peer;
	const struct sockaddr_in6 *in6 = (const void *)local, *in6_peer = (const void *)peer;

	id->idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (local->ss_family == AF_INET6) {
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

void sock_diag_tcp(int type, const struct sockaddr_storage *local,
		   const struct sockaddr_storage *peer, struct sock_diag_inet *ret_request)
{
	*ret_request = (struct sock_diag_inet){
	    .header = {.nlmsg_type = (uint16_t)type,
		       .nlmsg_flags = NLM_F_REQUEST,
		       .nlmsg_len = NLMSG_LENGTH(sizeof(ret_request->body))},
	    .body = {.sdiag_family = (uint8_t)local->ss_family,
		     .sdiag_protocol = IPPROTO_TCP,
		     .idiag_ext = 1 << (INET_DIAG_INFO - 1),
		     .idiag_states = UINT32_MAX},
	};
	if (type == SOCK_DESTROY)
		ret_request->header.nlmsg_flags |= NLM_F_ACK;
	fill_id(local, peer, &ret_request->body.id);
}

#define FAMILIES 16 /* AF_INET6 is 10 */

static bool answered[FAMILIES], load_nothing;

void sock_diag_load_nothing(void)
{
	load_nothing = true;
}

/* Every question begins with its family. */
static uint8_t family_of(const struct nlmsghdr *request)
{
	return *(const uint8_t *)NLMSG_DATA(request) % FAMILIES;
}

ssize_t sock_diag_exchange(const struct nlmsghdr *request, void *buf, size_t size)
{
	_cleanup_fd_ int fd = -1;
	const struct nlmsghdr *answer = buf;
	const struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
	ssize_t n;

	if (load_nothing && !answered[family_of(request)])
		return -EOPNOTSUPP;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, buf, size, 0);
	if (n > 0 && NLMSG_OK(answer, (size_t)n) && answer->nlmsg_type == SOCK_DIAG_BY_FAMILY)
		answered[family_of(request)] = true;
	return n < 0 ? -errno : n;
}

int sock_diag_error(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *e = NLMSG_DATA(answer);

	if (answer->nlmsg_type != NLMSG_ERROR || answer->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
		return 0;
	return -e->error;
}
