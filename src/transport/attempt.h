/* SPDX-License-Identifier: MIT */
/*
 * One attempt to reach a server and agree on an export, as an object on an event loop: resolve
 * (resolver process), connect (this process, which has the caller's rights, without reading a
 * byte), handshake (sandboxed worker process). Nothing here blocks; one deadline covers all of
 * it, and when it passes the helper processes are killed, so that no server can stretch it.
 */
#ifndef TRANSPORT_ATTEMPT_H
#define TRANSPORT_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/loop.h"
#include "nbd/export.h"
#include "nbd/nego.h"
#include "transport/endpoint.h"

#define ADDRESSES_MAX 32

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

struct address_list {
	size_t n;
	struct address item[ADDRESSES_MAX];
};

struct attempt_config {
	const struct endpoint *endpoint; /* borrowed for the attempt's life */
	const struct address_list *addresses; /* dial these, do not resolve; NULL: resolve */
	const char *source;   /* --source: an address literal or an interface name; NULL: any */
	enum nego_goal goal;
	uint32_t timeout_ms;  /* for the whole attempt */
};

struct attempt_result {
	int fd; /* goal GO: the connected socket at the start of transmission, ready for the
		   kernel (blocking, no timeouts, NODELAY, keepalive); the callback owns it and
		   takes it with TAKE_FD(), or it is closed. -1 for other goals */
	struct nbd_export export;
	struct address peer;            /* the address that answered */
	struct address_list addresses;  /* all that were known (resolved or given) */
	uid_t unix_uid;                 /* ENDPOINT_UNIX: SO_PEERCRED uid at connect */
};

struct attempt;

/*
 * Called once, from the loop: `ret` is 0 with *result, or -errno with *err. It may free the
 * attempt. `listed` (goal LIST) is called for each export before.
 */
typedef void attempt_done_fn(struct attempt *a, int ret, struct attempt_result *result,
			     const struct err *err, void *arg);
typedef void attempt_listed_fn(const char *name, const char *description, void *arg);

/*
 * Starts one. 0 or -errno with *err (no memory, no process, --source is no address or
 * interface). Free with attempt_free() at any time, which ends what is under way and reaps it.
 */
int attempt_new(struct loop *loop, const struct attempt_config *cfg, attempt_done_fn *done,
		attempt_listed_fn *listed, void *arg, struct attempt **ret_attempt,
		struct err *err);
void attempt_free(struct attempt *a);

/* For people: `127.0.0.1:10809`, `[::1]:10809`, `unix:/path`, `vsock:2:10809`. Returns buf. */
char *address_describe(const struct address *a, char *buf, size_t size);

#endif
