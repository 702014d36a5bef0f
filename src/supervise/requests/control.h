/* SPDX-License-Identifier: MIT */
/*
 * How a command talks to a running supervisor: /run/nbd-attach/nbdN.control, SOCK_SEQPACKET,
 * root only (mode 0600 and SO_PEERCRED). One request and one answer a connection, as text:
 * `detach` (in full), `detach prepared` (the caller has looked who uses the device, and flushed
 * it), each with ` force` behind it or not, `reconnect ACCEPT` (bits of
 * supervise/reconnect/identity.h, in decimal) or `refresh` (the state file; the answer is the
 * kernel interface, how many connections live, `clean` if a flush has nothing to make safe, and
 * `root` with --root), `grace SECONDS` (of a shutdown; the answer is CONTROL_MAY_LEAVE or nothing),
 * `resize`, `fail` (I/O that waits in an outage), `give VERSION` (another supervisor asks for the
 * device: succession/messages.h), `reload` (the configuration; the answer is the process that takes
 * over); `STATUS SENTENCE`, STATUS being the exit status to end with.
 */
#ifndef SUPERVISE_REQUESTS_CONTROL_H
#define SUPERVISE_REQUESTS_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

struct control;

/*
 * The server is lost, and no service manager lets the supervisor live for the whole grace: the
 * caller had better watch it.
 */
#define CONTROL_MAY_LEAVE "may leave"

enum control_verb {
	CONTROL_DETACH,
	CONTROL_RECONNECT,
	CONTROL_REFRESH,
	CONTROL_GRACE,
	CONTROL_RESIZE,
	CONTROL_FAIL_NOW,
	CONTROL_RELOAD,
	CONTROL_GIVE
};

struct control_request {
	enum control_verb verb;
	bool force;	  /* detach */
	bool prepared;	  /* detach */
	unsigned accept;  /* reconnect */
	uint32_t grace;	  /* grace: seconds, or GRACE_NONE (runtime/grace.h) */
	unsigned version; /* give */
};

/* A request arrived; answer it with control_answer(), now or later. One is open at a time; a
 * second caller is answered BUSY at once. Callers that have asked nothing yet do not count. A
 * detach whose caller has gone before it was read does not arrive. */
typedef void control_fn(const struct control_request *request, void *arg);

/* Listens; *ret_control is the caller's. SYSTEM error. Does not block. */
int control_new(struct loop *loop, int index, control_fn *fn, void *arg,
		struct control **ret_control, struct err *err);
void control_answer(struct control *c, int status, const char *sentence);

/*
 * Hands out the connection of the present request, which then belongs to the callee; other callers
 * are refused until control_unlend(). -1: it is closed.
 */
int control_lend(struct control *c);
/* The process that asks; 0: none does. */
pid_t control_peer(const struct control *c);
void control_unlend(struct control *c);
/* Another process listens under the socket's name from now on: control_free() leaves it alone. */
void control_leave(struct control *c);

/* Accepts NULL; an unanswered caller sees the connection close. Removes the socket's name. */
void control_free(struct control *c);

/*
 * The command's side; blocks until the answer, at most limit_ms. 0 with *ret_status and the
 * sentence in err->message; -ENOENT if no supervisor listens; another -errno with *err, of which
 * -EAGAIN is that nobody has answered in time.
 */
int control_ask(int index, const struct control_request *request, unsigned limit_ms,
		int *ret_status, struct err *err);

/* A request as text, and back; false: it is none. */
void control_format(const struct control_request *request, char *buf, size_t size);
bool control_parse(const char *text, struct control_request *ret_request);

#endif
