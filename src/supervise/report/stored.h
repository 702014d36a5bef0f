/* SPDX-License-Identifier: MIT */
/*
 * The sockets that the service manager keeps for a later supervisor (its file descriptor store),
 * and the messages to it. Compares what it keeps with what it should keep: the sockets that the
 * kernel uses or is about to get, and those whose end is waited for. Pure: uses only memory.
 */
#ifndef SUPERVISE_REPORT_STORED_H
#define SUPERVISE_REPORT_STORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/linkname.h"

#define STORED_MAX	64  /* sockets; FileDescriptorStoreMax= of the unit */
#define STORED_TEXT_MAX 100 /* bytes of a message, with the NUL */

struct stored_socket {
	uint64_t inode;
	struct linkname name;
};

/* A zeroed table is empty. */
struct stored {
	size_t n;
	struct stored_socket item[STORED_MAX];
	uint64_t serial; /* of the latest name */
};

/* A socket that should be kept. */
struct stored_wish {
	uint64_t inode;
	int fd; /* borrowed */
};

enum stored_verb { STORED_NOTHING, STORED_KEEP, STORED_DROP };

struct stored_message {
	enum stored_verb verb;
	struct stored_socket socket;
	int fd; /* to be sent along; -1: none */
};

/* The manager has kept this socket for an earlier supervisor. */
void stored_found(struct stored *t, const struct stored_socket *s);

/* The name of a socket that the manager keeps. False: it does not keep it. */
bool stored_name(const struct stored *t, uint64_t inode, struct linkname *ret_name);

/*
 * The next message that is missing; STORED_NOTHING: none. A socket whose name is of another
 * attachment gets a new name: it is dropped first, because the manager ignores a socket that it
 * has. attachment 0: the device is not attached yet.
 */
struct stored_message stored_next(const struct stored *t, const struct stored_wish *wishes,
				  size_t n, uint64_t attachment);

/* The manager has got the message. */
void stored_sent(struct stored *t, const struct stored_message *m);

/* The lines of the message; buf has room for STORED_TEXT_MAX. */
void stored_text(const struct stored_message *m, char *buf);

#endif
