/* SPDX-License-Identifier: MIT */
/*
 * Decides which of the sockets that a former supervisor left are connections of the device. A
 * socket that the kernel does not use must not be taken for a connection, because I/O would wait
 * for it forever. If a socket that the kernel uses is not recognised, its connection only has no
 * descriptor. Pure: uses only memory.
 */
#ifndef SUPERVISE_ATTACH_MATCH_H
#define SUPERVISE_ATTACH_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/linkname.h"
#include "supervise/watch/links.h"

enum match_verdict {
	MATCH_LEFTOVER, /* to be closed, never shut down: the kernel may use it after all */
	MATCH_LINK,	/* a live connection */
	MATCH_DIED,	/* a connection that its server has ended: proved */
	MATCH_ENDED,	/* a connection that was ended at our side, or in an unknown way: its server
			   may still hold requests */
};

struct match_socket {
	bool named; /* it has the name of a connection; out: of this attachment */
	struct linkname name;
	bool certain; /* the former supervisor vouches for it */
	bool listed;  /* the state file of this attachment lists it as a live connection */
	uint64_t inode;
	enum links_health health;
	enum match_verdict verdict; /* out */
};

/* What is known of the device besides the sockets. */
struct match_device {
	uint64_t attachment;
	unsigned most; /* connections that can be alive: fewer, if the driver knows of a dead one */
	unsigned others; /* live connections that are known, and whose socket was not given */
	bool all_alive;	 /* the driver knows of no dead connection */
	bool unsettled;	 /* the former supervisor waited for the end of an old connection */
};

/* Fills in the verdicts. */
void match_sockets(struct match_socket *sockets, size_t n, const struct match_device *device);

#endif
