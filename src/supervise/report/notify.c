/* SPDX-License-Identifier: MIT */
#include "supervise/report/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

#define WATCHDOG_MAX_MS 3600000

/* A path, or a name of the abstract space, written with an at sign. */
static int connect_to(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	_cleanup_fd_ int fd = -1;

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -1;
	return TAKE_FD(fd);
}

/* sd_watchdog_enabled(3): WATCHDOG_PID names the process whose watchdog messages count. */
static uint32_t watchdog(void)
{
	const char *usec = secure_getenv("WATCHDOG_USEC"), *pid = secure_getenv("WATCHDOG_PID");
	unsigned long long ms;

	if (!usec || (pid && strtoll(pid, NULL, 10) != getpid()))
		return 0;
	ms = strtoull(usec, NULL, 10) / 1000;
	return (uint32_t)(ms < WATCHDOG_MAX_MS ? ms : WATCHDOG_MAX_MS);
}

void notify_open(struct notify *ret_notify)
{
	const char *name = secure_getenv("NOTIFY_SOCKET");
	struct notify n = {.fd = name ? connect_to(name) : -1};

	if (n.fd >= 0)
		n.watchdog_ms = watchdog();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	*ret_notify = n;
}

void notify_close(struct notify *n)
{
	close_fdp(&n->fd);
	n->fd = -1;
}

bool notify_send_fd(const struct notify *n, const char *lines, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = ""};
	struct iovec text = {.iov_base = (char *)lines, .iov_len = strlen(lines)};
	struct msghdr msg = {.msg_iov = &text, .msg_iovlen = 1};

	if (n->fd < 0)
		return false;
	if (fd >= 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(n->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

void notify_send(const struct notify *n, const char *lines)
{
	(void)!notify_send_fd(n, lines, -1);
}
