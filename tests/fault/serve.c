/* SPDX-License-Identifier: MIT */
/*
 * Becomes a server and reports the time from which on it can be reached. Another process reads that
 * from the kernel's tables without a connection, because some servers serve only one client.
 * REPORT gets one line, `NS`; nothing if the server does not listen within 20 s.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/fault.h"

#define LIMIT 20000000000

/* A line of /proc/net/unix: Num RefCount Protocol Flags Type St Inode Path. */
static bool unix_listens(const char *line, const char *path)
{
	unsigned flags, state;
	char found[256];

	return sscanf(line, "%*s %*s %*s %x %*s %x %*s %255s", &flags, &state, found) == 3 &&
	       (flags & 0x10000) && strcmp(found, path) == 0;
}

/* A line of /proc/net/tcp or tcp6: sl local_address rem_address st. */
static bool tcp_listens(const char *line, unsigned port)
{
	unsigned found, state;

	return sscanf(line, "%*s %*[0-9A-F]:%x %*s %x", &found, &state) == 2 && state == 0x0a &&
	       found == port;
}

static bool listens(const char *table, const char *where)
{
	FILE *f = fopen(table, "re");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = where[0] == '/' ? unix_listens(line, where)
					: tcp_listens(line, (unsigned)atoi(where));
	if (f)
		fclose(f);
	return found;
}

static void report(const char *path)
{
	char temp[4096];
	uint64_t now = fault_now();
	FILE *f;

	/* A process that waits for the file must not find half of it. */
	snprintf(temp, sizeof(temp), "%s.new", path);
	f = fopen(temp, "we");
	if (!f)
		fault_die("cannot create %s: %m", temp);
	fprintf(f, "%" PRIu64 "\n", now);
	fclose(f);
	rename(temp, path);
}

static void watch(const char *where, const char *path)
{
	struct timespec tick = {.tv_nsec = 1000000};
	uint64_t start = fault_now();

	while (fault_now() - start < LIMIT) {
		if (where[0] == '/' ? listens("/proc/self/net/unix", where)
				    : listens("/proc/self/net/tcp", where) ||
					  listens("/proc/self/net/tcp6", where)) {
			report(path);
			return;
		}
		nanosleep(&tick, NULL);
	}
}

int fault_serve(int argc, char **argv)
{
	pid_t child;

	if (argc < 4)
		fault_die("usage: fault serve WHERE REPORT COMMAND...");
	unlink(argv[2]);
	/* A grandchild, so that the server does not have an unknown child. */
	child = fork();
	if (child == 0) {
		if (fork() == 0) {
			setsid(); /* leaves the server's process group, which may be killed */
			watch(argv[1], argv[2]);
		}
		_exit(0);
	}
	waitpid(child, NULL, 0);
	setpgid(0, 0);
	execvp(argv[3], argv + 3);
	fault_die("cannot run %s: %m", argv[3]);
}
