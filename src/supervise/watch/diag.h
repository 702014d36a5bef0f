/* SPDX-License-Identifier: MIT */
/*
 * Asks the kernel about a socket of which this process has no descriptor (sock_diag(7)): only the
 * kernel has the connections of a device whose supervisor has died. Answers come at once; nothing
 * blocks.
 */
#ifndef SUPERVISE_WATCH_DIAG_H
#define SUPERVISE_WATCH_DIAG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <linux/tcp.h>

/* Names a socket: by `local` and `peer` for TCP, by the inode for a Unix socket. */
struct diag_socket {
	struct sockaddr_storage local, peer; /* family 0: a Unix socket */
	uint64_t inode;
};

enum diag_answer {
	DIAG_ALIVE,   /* connected to its peer */
	DIAG_DEAD,    /* its peer has ended it: TCP, before any end at our side; Unix, by a close */
	DIAG_SHUT,    /* shut down at our side first: its peer may live */
	DIAG_GONE,    /* the socket no longer exists; either side may have ended it first */
	DIAG_UNKNOWN, /* the kernel does not say */
};

/* Fills *ret_info (TCP; otherwise zero) if there is such a socket. */
enum diag_answer diag_ask(const struct diag_socket *s, struct tcp_info *ret_info);

/* Ends a TCP connection as if it had been reset (needs CONFIG_INET_DIAG_DESTROY). */
bool diag_destroy(const struct diag_socket *s);

/*
 * For a Unix socket that we have shut down: DEAD once its peer is closed, which shows that its
 * server has read and handled everything.
 */
enum diag_answer diag_unix_peer(int fd);

/* The parsers of the functions above: `answer` is the kernel's, aligned for a struct nlmsghdr. */
enum diag_answer diag_read(const void *answer, size_t len, const struct diag_socket *s,
			   struct tcp_info *ret_info);
enum diag_answer diag_read_peer(const void *answer, size_t len);

/* Gets from a descriptor what diag_ask() needs to find the socket again. 0 or -errno. */
int diag_describe(int fd, struct diag_socket *ret_socket);

#endif
