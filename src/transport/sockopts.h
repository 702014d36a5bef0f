/* SPDX-License-Identifier: MIT */
/*
 * The options of a socket that is to carry NBD: before it connects, and before the kernel gets
 * it (what nbd.ko wants of a socket). No ownership; nothing blocks.
 */
#ifndef TRANSPORT_SOCKOPTS_H
#define TRANSPORT_SOCKOPTS_H

#include <net/if.h>
#include <stdbool.h>

#include "base/err.h"
#include "endpoint/address.h"

/* --source, parsed: where connections come from. */
enum source_kind { SOURCE_ANY, SOURCE_ADDRESS, SOURCE_INTERFACE };

struct source {
	enum source_kind kind;
	struct address address;	     /* port 0 */
	char interface[IF_NAMESIZE]; /* may not exist yet: it is looked up at each connection; "":
					none is named */
};

/* NULL text gives SOURCE_ANY. -EINVAL (USAGE) if it can be neither, or lacks its interface. */
int source_parse(const char *text, struct source *ret_source, struct err *err);

/* True if connections of this source have an interface, which a link-local address needs. */
bool source_names_interface(const char *text);

/*
 * A non-blocking, close-on-exec stream socket of `family`, TCP proper for the internet families
 * (nbd.ko refuses MPTCP), with its options set and bound to the source. peer_timeout_ms is how
 * long an idle connection outlives a peer that has vanished, by keepalive (in whole seconds, 5 at
 * least; 0: 10 s). Returns the descriptor (the caller's) or -errno; EADDRNOTAVAIL also if the
 * source is of another family.
 */
int sockopts_socket(int family, const struct source *source, uint32_t peer_timeout_ms);

/*
 * How long close() waits is an option of the socket, so a worker that shared it may have set that:
 * a server that has taken the worker over could stop whoever closes the last copy. These undo it.
 * `drop`: its last close() drops what was not sent, with a reset; otherwise the kernel sends it
 * afterwards. Neither waits.
 */
void sockopts_linger(int fd, bool drop);
/* Closes it, unless it is -1. No process that may set its options may have it by now. */
void sockopts_close(int fd);

/*
 * Makes a shaken-hands socket ready for the kernel, whatever a worker has done to it: blocking, no
 * send or receive timeout (one left set kills an idle link in nbd.ko), closed without a wait, no
 * protocol over TCP but TLS, no error pending. 0 or -errno (RETRY if the peer is gone already;
 * PERMANENT for another protocol).
 */
int sockopts_hand_over(int fd, struct err *err);

#endif
