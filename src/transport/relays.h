/* SPDX-License-Identifier: MIT */
/*
 * What is known about the relays that this process has started (worker/relay.h): which connection
 * of the kernel each one serves, the addresses of its own connection, and why it has ended. Old
 * records of relays that have ended are replaced. Nothing blocks.
 */
#ifndef TRANSPORT_RELAYS_H
#define TRANSPORT_RELAYS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/process.h"
#include "worker/relay-end.h"

struct relays;

struct relay_record {
	uint64_t inode; /* of the kernel's end of the socket pair */
	bool ended;
	enum relay_end end;		     /* if it has ended */
	struct sockaddr_storage local, peer; /* of its own connection; family 0: not TCP */
};

struct relays *relays_new(void);    /* NULL: no memory */
void relays_free(struct relays *r); /* accepts NULL */

/*
 * Makes a connection between the kernel and a relay. The caller closes both ends. 0 or -errno with
 * *err (SYSTEM).
 */
int relays_pair(int *ret_kernel_end, int *ret_relay_end, struct err *err);

/* The inode of a socket; 0: it has none. */
uint64_t relays_inode(int fd);

/* A relay serves `kernel_end`, over `sock`. Both are borrowed. r: or NULL. */
void relays_add(struct relays *r, int kernel_end, int sock);

/* The relay of this socket has been reaped. r: or NULL. */
void relays_ended(struct relays *r, uint64_t inode, const struct process_end *end);

/* NULL: this process has started no relay for the socket, or has forgotten it. r: or NULL. */
const struct relay_record *relays_find(const struct relays *r, uint64_t inode);

#endif
