/* SPDX-License-Identifier: MIT */
/*
 * Connections that ended at our side first: has the server ended too, so that nothing which it was
 * sent over the old connection can be carried out after what the new one brings?
 *
 * What proves it, and what does not (TCP states by RFC 9293, section 3.6):
 *  - The server held no request when we ended the connection. Then nothing can come any more. Two
 *    looks prove it: (a) no byte was handed to the socket since a look at which the device had no
 *    request under way, or (b) the device has no request under way after our end, and replies could
 *    still arrive until then, or no time had passed in which the driver takes a request back.
 *  - The server's FIN, when it held no request. When it held one, its FIN proves nothing: qemu-nbd
 *    sends its FIN while its requests still run.
 *  - A reset proves nothing, whoever sent it: our own TCP answers with a reset what arrives after
 *    shutdown(2), and leaves the same state and the same error as a reset that was received.
 *  - The death of the server's host proves nothing either: it may come back with what it holds.
 * Such a connection is given a settling time once the host answers again, and then given up.
 *
 * A server that held no request and does not close in time is not waited for any longer: it has
 * answered everything that it was sent, so that there is nothing for it to carry out. The wait for
 * its FIN is for servers of one client, and must not make I/O fail on a device that is healthy.
 *
 * The descriptors are owned by whoever holds the struct; ended_close() closes them. Nothing blocks.
 */
#ifndef SUPERVISE_WATCH_ENDED_H
#define SUPERVISE_WATCH_ENDED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/peer.h"

enum ended_how {
	ENDED_VANISHED, /* its host acknowledged nothing, and it was cut */
	ENDED_BY_US,	/* it was alive, and is replaced by another */
	ENDED_BY_DRIVER /* the driver shut it down: a reply that it did not understand, or a send
			   that failed half-way */
};

/*
 * ms: how long a connection whose end proves nothing is waited for once the server answers. What a
 * server was sent and had not read is executed within it, unless the server is stalled.
 */
#define ENDED_SETTLE_MS 2000

/* ms: how long a server that held no request may take to close. */
#define ENDED_CLOSE_MS 2000

/*
 * ms: a request that entered after a look at an idle device is still counted this long. The driver
 * takes none back before queue/io_timeout has passed, which is a second at least.
 */
#define ENDED_COUNTED_MS 500

struct ended {
	int fd; /* -1: the socket has gone, and only the limit counts */
	enum ended_how how;
	bool clean;	   /* the server held no request of it at the end: proved */
	bool closed;	   /* nothing more can be learnt from the socket */
	bool given_up;	   /* out: the limit has passed, and nothing was proved */
	uint32_t limit_ms; /* from `asked` on; 0: it is waited for without a limit */
	uint32_t close_ms; /* the same for the end of one that is clean */
	uint64_t ended_at; /* monotonic ms */
	uint64_t asked;	   /* when ended_settled() was asked first; 0: not asked yet */
	struct peer peer;  /* its host may vanish meanwhile */
};

/* Bytes that were handed to TCP over this socket so far. False: that cannot be told. */
bool ended_position(int fd, uint64_t *ret_bytes);

/* The device has no request under way at this moment (a look after the end, proof b). */
void ended_seen_idle(struct ended *e, uint64_t now);

/* I/O has failed meanwhile, so that nothing waits for this one any more: from here on only the
 * settling time counts. */
void ended_release(struct ended *e, uint64_t now);

/*
 * True if the connection needs no more waiting; e->given_up then says that this is not proved.
 * To be called when the server's host is known to be back. peer_timeout_ms is --peer-timeout; 0:
 * the peer is not judged.
 */
bool ended_settled(struct ended *e, uint64_t now, uint32_t peer_timeout_ms);

/*
 * True if a hang-up of this socket comes from the server, seen before any shutdown at our side: its
 * FIN or a reset. False: the driver has shut it down first, and the server may be alive.
 */
bool ended_by_server(int fd);

void ended_close(struct ended *e);

#endif
