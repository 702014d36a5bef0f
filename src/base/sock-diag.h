/* SPDX-License-Identifier: MIT */
/*
 * Questions to the kernel about sockets that this process has no descriptor of (sock_diag(7)).
 * Nothing blocks: the kernel answers while it takes the question. But for the first question about
 * a family of sockets it may load a module, by a program on the root file system.
 */
#ifndef BASE_SOCK_DIAG_H
#define BASE_SOCK_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>

struct sock_diag_inet {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

/* The TCP socket at `local` that is connected to `peer`; type: SOCK_DIAG_BY_FAMILY or SOCK_DESTROY.
 */
void sock_diag_tcp(int type, const struct sockaddr_storage *local,
		   const struct sockaddr_storage *peer, struct sock_diag_inet *ret_request);

/*
 * From now on, asks only about families that the kernel has already described a socket of. For any
 * other it might load a module, from a root file system that may be lost.
 */
void sock_diag_load_nothing(void);

/*
 * Sends a message whose header tells its length. The length of the answer, or -errno; -EOPNOTSUPP
 * if it might load a module, after sock_diag_load_nothing().
 */
ssize_t sock_diag_exchange(const struct nlmsghdr *request, void *buf, size_t size);

/* The errno value of an answer that is an error message; 0 if the answer is another message. */
int sock_diag_error(const struct nlmsghdr *answer);

#endif
