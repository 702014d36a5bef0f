/* SPDX-License-Identifier: MIT */
/* Connections to the driver. */
#ifndef STUB_CLIENT_H
#define STUB_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proto.h"

/* "RUNDIR/stub/NAME", from NBD_ATTACH_RUNDIR. */
struct stub_path {
	char text[104];
};
struct stub_path stub_path(const char *name);
bool stub_wanted(const char *name); /* the scenario has made that file */

/* Returns a connection, which the caller closes, or -errno. */
int stub_connect(void);

/* 0 or -errno. */
int stub_send(int fd, const struct stub_request *r, const void *data, size_t len, const int *fds,
	      size_t n_fds);

/* Waits for a reply. Returns the length of its data, or -errno (-EPIPE: the driver has ended). */
ssize_t stub_receive(int fd, struct stub_reply *ret_reply, void *data, size_t size);

/* Sends and waits. Returns the reply's error. */
int stub_ask(int fd, const struct stub_request *r, const void *data, size_t len, const int *fds,
	     size_t n_fds);

#endif
