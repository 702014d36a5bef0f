/* SPDX-License-Identifier: MIT */
/*
 * For the tests of transport/: listening sockets on the loopback interface and in a directory of
 * the test, small servers in child processes, a loop that runs for a while. Every function asserts.
 */
#ifndef TRANSPORT_FIXTURE_H
#define TRANSPORT_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "loop-fixture.h"
#include "endpoint/address.h"

#define DESCRIPTORS_COUNTED 256

static inline struct address literal_address(const char *text, uint16_t port)
{
	struct address a;

	assert_true(address_from_literal(text, port, &a));
	return a;
}

static inline uint16_t address_port(const struct address *a)
{
	const struct sockaddr_in *sin = (const void *)&a->sa; /* or in6: the same place */

	return ntohs(sin->sin_port);
}

/*
 * A network namespace of the process's own, where no other test takes a port: true if its loopback
 * interface is up.
 */
static inline bool own_loopback(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	bool up;
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	up = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
	close(fd);
	return up;
}

/* Listens and fills in the port if *a has none. */
static inline int listen_at(struct address *a, int backlog)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	/* The port may be one of unused_port(). */
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (void *)&a->sa, a->len), 0);
	assert_int_equal(getsockname(fd, (void *)&a->sa, &a->len), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

/*
 * A port without a listener. It stays bound as long as this process lives, so that no other process
 * gets it; open_descriptors() does not count its descriptor.
 */
static inline uint16_t unused_port(const char *host)
{
	struct address a = literal_address(host, 0);
	int fd = socket(a.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (void *)&a.sa, a.len), 0);
	assert_int_equal(getsockname(fd, (void *)&a.sa, &a.len), 0);
	assert_true(fcntl(fd, F_DUPFD_CLOEXEC, DESCRIPTORS_COUNTED) >= 0);
	close(fd);
	return address_port(&a);
}

static inline struct address unix_address(const char *path)
{
	struct address a = {.len = sizeof(struct sockaddr_un)};
	struct sockaddr_un *sun = (void *)&a.sa;

	sun->sun_family = AF_UNIX;
	assert_true(strlen(path) < sizeof(sun->sun_path));
	strcpy(sun->sun_path, path);
	return a;
}

/* A child that serves each connection in turn. End it with server_stop(). */
static inline pid_t server_start(int listen_fd, void (*serve)(int fd))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		for (;;) {
			int fd = accept(listen_fd, NULL, NULL);

			serve(fd);
			close(fd);
		}
	}
	close(listen_fd);
	return pid;
}

static inline void server_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The number of open descriptors, to find leaks. */
static inline unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < DESCRIPTORS_COUNTED; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

#endif
