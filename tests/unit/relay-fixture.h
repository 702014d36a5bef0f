/* SPDX-License-Identifier: MIT */
/* A relay in another process, between a socket pair and a TCP connection. */
#ifndef RELAY_FIXTURE_H
#define RELAY_FIXTURE_H

#include "transport-fixture.h"

struct relay_ends {
	int kernel, server; /* the tests' ends */
	pid_t pid;
};

/* Runs in that process with the relay's ends, and does not return. */
typedef void relay_process_fn(int sock, int kernel);

static inline void relay_open(struct relay_ends *ends, relay_process_fn *run)
{
	struct address a = literal_address("127.0.0.1", 0);
	int listener = listen_at(&a, 1), pair[2];
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(sock, (void *)&a.sa, a.len), 0);
	ends->server = accept(listener, NULL, NULL);
	assert_true(ends->server >= 0);
	close(listener);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ends->kernel = pair[0];
	ends->pid = fork();
	assert_true(ends->pid >= 0);
	if (ends->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends->kernel);
		close(ends->server);
		run(sock, pair[1]);
	}
	close(sock);
	close(pair[1]);
}

#endif
