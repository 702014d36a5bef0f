/* SPDX-License-Identifier: MIT */
#include "supervise/hints.h"

#include <errno.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

struct hints {
	hints_fn *fn;
	void *arg;
	const char *name; /* of the socket, without its directory */
	int route_fd, watch_fd;
	struct loop_io *route_io, *watch_io;
};

static const char *route_news(const struct nlmsghdr *msg)
{
	const struct ifinfomsg *link = NLMSG_DATA(msg);

	switch (msg->nlmsg_type) {
	case RTM_NEWADDR:
		return "a network address appeared";
	case RTM_NEWROUTE:
		return "a network route appeared";
	case RTM_NEWLINK:
		if (msg->nlmsg_len >= NLMSG_LENGTH(sizeof(*link)) && link->ifi_flags & IFF_RUNNING)
			return "a network link came up";
		return NULL;
	default:
		return NULL;
	}
}

static void on_route(int fd, uint32_t events, void *arg)
{
	char buf[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct hints *h = arg;
	const char *news = NULL;
	ssize_t n;

	(void)events;
	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0 ||
	       (n < 0 && (errno == EINTR || errno == ENOBUFS))) {
		const struct nlmsghdr *msg = (const void *)buf;
		int left = n < 0 ? 0 : (int)n;

		if (n < 0 && errno == ENOBUFS)
			news = "the network changed";
		for (; NLMSG_OK(msg, left); msg = NLMSG_NEXT(msg, left))
			if (route_news(msg))
				news = route_news(msg);
	}
	if (news)
		h->fn(news, h->arg);
}

static void on_watch(int fd, uint32_t events, void *arg)
{
	char buf[sizeof(struct inotify_event) + NAME_MAX + 1]
	    __attribute__((aligned(__alignof__(struct inotify_event))));
	struct hints *h = arg;
	bool ours = false;
	ssize_t n;

	(void)events;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		const char *p = buf;

		while (p < buf + n) {
			const struct inotify_event *e = (const void *)p;

			ours |= e->len && strcmp(e->name, h->name) == 0;
			p += sizeof(*e) + e->len;
		}
	}
	if (ours)
		h->fn("the server's socket appeared", h->arg);
}

static void watch_routes(struct hints *h, struct loop *loop)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK,
				 .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
					      RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
					      RTMGRP_IPV6_ROUTE};

	h->route_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (h->route_fd >= 0 && bind(h->route_fd, (void *)&sa, sizeof(sa)) == 0)
		h->route_io = loop_io_new(loop, h->route_fd, EPOLLIN, on_route, h);
}

static void watch_path(struct hints *h, struct loop *loop, const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX];

	if (!slash || slash - path >= PATH_MAX)
		return;
	h->name = slash + 1;
	snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path),
		 path);
	h->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (h->watch_fd >= 0 &&
	    inotify_add_watch(h->watch_fd, directory, IN_CREATE | IN_MOVED_TO | IN_ATTRIB) >= 0)
		h->watch_io = loop_io_new(loop, h->watch_fd, EPOLLIN, on_watch, h);
}

struct hints *hints_new(struct loop *loop, const char *unix_path, hints_fn *fn, void *arg)
{
	struct hints *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	*h = (struct hints){.fn = fn, .arg = arg, .route_fd = -1, .watch_fd = -1};
	if (unix_path)
		watch_path(h, loop, unix_path);
	else
		watch_routes(h, loop);
	return h;
}

void hints_free(struct hints *h)
{
	if (!h)
		return;
	loop_io_free(h->route_io);
	loop_io_free(h->watch_io);
	close_fdp(&h->route_fd);
	close_fdp(&h->watch_fd);
	free(h);
}
