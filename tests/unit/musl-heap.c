/* SPDX-License-Identifier: MIT */
/*
 * usage: musl-heap WHAT
 *
 * Uses memory in the way that a worker does, under a worker's system call filter, and exits with 0
 * if it got all. test-musl.sh builds it with musl, because the filter depends on the C library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "worker/relay-buffer.h"
#include "worker/seccomp-filter.h"

/* Writes to it, so that the pages have to be there. */
static void *get(size_t size)
{
	void *room = malloc(size);

	if (!room)
		_exit(1);
	memset(room, 1, size);
	return room;
}

/* The relay's buffers, as one block. */
static void get_relay(void)
{
	free(get(4 * sizeof(struct relay_buffer)));
}

/* A handshake's: many sizes, some of them given back. */
static void get_pieces(void)
{
	for (int i = 0; i < 8192; i++) {
		void *piece = get((size_t)32 << i % 7);

		if (i % 3 == 0)
			free(piece);
	}
}

/* A bundle of certificates, which is read and grows. */
static void get_bundle(void)
{
	char *bundle = NULL;

	for (size_t size = 4096; size <= (size_t)8 << 20; size *= 2) {
		bundle = realloc(bundle, size);
		if (!bundle)
			_exit(1);
		memset(bundle, 1, size);
	}
	free(bundle);
}

static void get_code(void)
{
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED)
		_exit(0);
	_exit(1);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *what;
		void (*get)(void);
	} ways[] = {
	    {"relay", get_relay},
	    {"pieces", get_pieces},
	    {"bundle", get_bundle},
	    {"code", get_code},
	};

	for (size_t i = 0; argc == 2 && i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(ways[i].what, argv[1]) != 0)
			continue;
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    seccomp_filter_install(SANDBOX_TLS) < 0) {
			perror("the filter cannot be installed");
			return 2;
		}
		ways[i].get();
		_exit(0);
	}
	return 2;
}
