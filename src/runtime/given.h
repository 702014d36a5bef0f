/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that an earlier supervisor has left, each with a name: the service manager kept them,
 * or the earlier supervisor sent them. The list owns its descriptors until they are taken. Nothing
 * blocks.
 */
#ifndef RUNTIME_GIVEN_H
#define RUNTIME_GIVEN_H

#include <stdbool.h>
#include <stddef.h>

#define GIVEN_MAX      64 /* descriptors: 16 connections, as many that are ending, and others */
#define GIVEN_NAME_MAX 64 /* bytes with the NUL */

struct given_fd {
	char name[GIVEN_NAME_MAX];
	int fd;
	bool certain; /* the former supervisor vouches for it: the kernel uses the socket */
};

/* A zeroed list is empty. */
struct given {
	size_t n;
	struct given_fd item[GIVEN_MAX];
};

/*
 * Takes ownership of fd, and makes it close on exec. 0, or -errno, and then fd is closed: -ENOSPC,
 * or -EINVAL for a name that is empty or too long.
 */
int given_add(struct given *g, const char *name, int fd, bool certain);

/* The descriptor of that name, now the caller's; -1: there is none. */
int given_take(struct given *g, const char *name);

/* Removes item i: its descriptor is the caller's. The items after it move. */
int given_take_at(struct given *g, size_t i);

/* Closes all that are left. */
void given_close(struct given *g);

/*
 * Adds the descriptors that the service manager passes to this process (sd_listen_fds(3)), and
 * removes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES from the environment, so that no child process
 * uses them. The descriptors are named `unknown` if the manager gives no names.
 */
void given_from_manager(struct given *g);

/* The same from the values of the variables, for tests. `first` is the first descriptor. */
void given_from_words(struct given *g, const char *count, const char *names, int first);

#endif
