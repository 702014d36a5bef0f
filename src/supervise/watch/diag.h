/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells of a socket that this process has no descriptor of (sock_diag(7)): the
 * connections of a device whose supervisor has died belong to the kernel alone. Answers come at
 * once; nothing blocks.
 */
#ifndef SUPERVISE_WATCH_DIAG_H
#define SUPERVISE_WATCH_DIAG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <linux/tcp.h>

/* Which socket. `local` and `peer` for TCP, the inode for a Unix socket. */
struct diag_socket {
	struct sockaddr_storage local, peer; /* family 0: a Unix socket */
	uint64_t inode;
};

enum diag_answer {
	DIAG_ALIVE,   /* connected to its peer */
	DIAG_DEAD,    /* there is no such socket, or it has lost its peer */
	DIAG_UNKNOWN, /* the kernel does not say */
};

/* Fills *ret_info (TCP; zero else) when alive. */
enum diag_answer diag_ask(const struct diag_socket *s, struct tcp_info *ret_info);

/* Ends a TCP connection as if it had been reset (needs CONFIG_INET_DIAG_DESTROY). */
bool diag_destroy(const struct diag_socket *s);

/* A Unix socket that we have shut down: DEAD once its peer is closed, which tells of its server
 * that it has read all and done with it. */
enum diag_answer diag_unix_peer(int fd);

/* What they read, in memory: the kernel's answer, aligned for a struct nlmsghdr. */
enum diag_answer diag_read(const void *answer, size_t len, const struct diag_socket *s,
			   struct tcp_info *ret_info);
enum diag_answer diag_read_peer(const void *answer, size_t len);

/* From a descriptor: what diag_ask() needs to find the socket again. 0 or -errno. */
int diag_describe(int fd, struct diag_socket *ret_socket);

#endif
