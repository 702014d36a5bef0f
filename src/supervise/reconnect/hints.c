/* SPDX-License-Identifier: MIT */
#include "supervise/reconnect/hints.h"

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

/*
 * ms between two hints. A user who may write to the socket's directory could otherwise make this
 * process connect, and start workers, hundreds of times a second.
 */
#define GAP_MS 100

struct hints {
	hints_fn *fn;
	void *arg;
	struct loop_timer *due; /* armed: a hint waits for the gap's end */
	const char *news;	/* ... and is this one */
	bool told;		/* there was one, at `since` */
	uint64_t since;
	const char *path; /* path of the socket */
	size_t watched;	  /* length of the part of it that is the watched directory */
	int route_fd, watch_fd, watch;
	struct loop_io *route_io, *watch_io;
};

/* The callback may free h: nothing of it may be used afterwards. */
static void tell_now(void *arg)
{
	struct hints *h = arg;

	h->told = true;
	h->since = loop_now();
	h->fn(TAKE_PTR(h->news), h->arg);
}

/*
 * Reports a hint at once, or once after the gap, however many come meanwhile. May free h, as
 * tell_now().
 */
static void tell(struct hints *h, const char *news)
{
	uint64_t now = loop_now();
	bool waits = h->news != NULL;

	h->news = news;
	if (!h->told || now - h->since >= GAP_MS) {
		loop_timer_cancel(h->due);
		tell_now(h);
	} else if (!waits) {
		loop_timer_set(h->due, h->since + GAP_MS - now);
	}
}

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

const char *hints_route_news(const void *datagram, size_t len)
{
	const struct nlmsghdr *msg = datagram;
	const char *news = NULL;
	size_t step;

	while (len >= sizeof(*msg) && msg->nlmsg_len >= sizeof(*msg) && msg->nlmsg_len <= len) {
		if (route_news(msg))
			news = route_news(msg);
		step = NLMSG_ALIGN((size_t)msg->nlmsg_len);
		if (step >= len)
			break;
		len -= step;
		msg = (const void *)((const char *)msg + step);
	}
	return news;
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
		const char *says = n < 0 ? NULL : hints_route_news(buf, (size_t)n);

		if (n < 0 && errno == ENOBUFS)
			news = "the network changed";
		if (says)
			news = says;
	}
	if (news)
		tell(h, news);
}

/* Where the directory of the first `len` bytes of a path ends; 0: there is none above it. */
static size_t parent(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	return len;
}

/* Where the component after the first `len` bytes of a path ends. */
static size_t child(const char *path, size_t len)
{
	len += strspn(path + len, "/");
	return len + strcspn(path + len, "/");
}

static int look_at(const struct hints *h, size_t len, char directory[PATH_MAX])
{
	const uint32_t mask =
	    IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

	snprintf(directory, PATH_MAX, "%.*s", (int)len, h->path);
	return inotify_add_watch(h->watch_fd, directory, mask);
}

/*
 * Watches the socket's directory, or the deepest existing directory on the way to it: a service's
 * runtime directory is removed and made with the service. True if the directory itself is watched.
 */
static bool watch_deepest(struct hints *h)
{
	size_t whole = parent(h->path, strlen(h->path)), len = whole;
	char directory[PATH_MAX];
	int deeper, watch = look_at(h, len, directory);

	while (watch < 0 && len > 1) {
		len = parent(h->path, len);
		watch = look_at(h, len, directory);
	}
	/* It may have appeared after the check and before the watch above it existed. */
	while (watch >= 0 && len < whole) {
		deeper = look_at(h, child(h->path, len), directory);
		if (deeper < 0)
			break;
		inotify_rm_watch(h->watch_fd, watch);
		watch = deeper;
		len = child(h->path, len);
	}
	if (h->watch >= 0 && watch != h->watch)
		inotify_rm_watch(h->watch_fd, h->watch);
	h->watch = watch;
	h->watched = len;
	return watch >= 0 && len == whole;
}

/* The name that is waited for in the watched directory: the socket's or a directory's. */
static bool awaited(const struct hints *h, const char *name)
{
	size_t end = child(h->path, h->watched), len = strlen(name);

	return len && len <= end && h->path[end - len - 1] == '/' &&
	       strncmp(h->path + end - len, name, len) == 0;
}

static void on_watch(int fd, uint32_t events, void *arg)
{
	char buf[sizeof(struct inotify_event) + NAME_MAX + 1]
	    __attribute__((aligned(__alignof__(struct inotify_event))));
	const uint32_t moved = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED;
	struct hints *h = arg;
	bool ours = false, again = false;
	ssize_t n;

	(void)events;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		const char *p = buf;

		while (p < buf + n) {
			const struct inotify_event *e = (const void *)p;

			if (e->wd == h->watch && e->mask & moved)
				again = true;
			else if (e->wd == h->watch && e->len && awaited(h, e->name))
				ours = true;
			p += sizeof(*e) + e->len;
		}
	}
	if (again || (ours && h->watched < parent(h->path, strlen(h->path))))
		/* Files that are made before the watch exists are not reported. */
		ours = watch_deepest(h) && access(h->path, F_OK) == 0;
	if (ours)
		tell(h, "the server's socket appeared");
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
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return;
	h->path = path;
	h->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (h->watch_fd < 0)
		return;
	watch_deepest(h);
	h->watch_io = loop_io_new(loop, h->watch_fd, EPOLLIN, on_watch, h);
}

struct hints *hints_new(struct loop *loop, const char *unix_path, hints_fn *fn, void *arg)
{
	struct hints *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	*h = (struct hints){.fn = fn, .arg = arg, .route_fd = -1, .watch_fd = -1, .watch = -1};
	h->due = loop_timer_new(loop, tell_now, h);
	if (!h->due) {
		free(h);
		return NULL;
	}
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
	loop_timer_free(h->due);
	loop_io_free(h->route_io);
	loop_io_free(h->watch_io);
	close_fdp(&h->route_fd);
	close_fdp(&h->watch_fd);
	free(h);
}
