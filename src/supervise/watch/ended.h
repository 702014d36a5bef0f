/* SPDX-License-Identifier: MIT */
/*
 * Connections that ended at our side first. Has the server ended, too, so that it cannot carry out
 * requests of the old connection after requests of the new one?
 *
 * What proves that, and what does not (TCP states as in RFC 9293, section 3.6):
 *  - The server held no request when we ended the connection. Then nothing can come any more. Two
 *    looks prove it: (a) no byte was handed to the socket since a look at which the device had no
 *    request under way, or (b) the device has no request under way after our end, and replies could
 *    still arrive until then, or no time had passed in which the driver takes a request back.
 *  - The server's FIN, when it held no request. When it held one, its FIN proves nothing: qemu-nbd
 *    sends its FIN while its requests still run.
 *  - A reset proves nothing, whoever sent it: our own TCP answers with a reset what arrives after
 *    shutdown(2), and leaves the same state and the same error as a reset that was received.
 *  - The death of the server's host proves nothing either: it may come back with what it holds.
 *    Such a connection gets a settling time once the host answers again, and is then given up.
 *
 * If a server held no request and does not close in time, the wait ends: it has answered everything
 * that it was sent, so it has nothing to carry out. The wait for its FIN is only for servers of one
 * client, and must not make I/O fail on a healthy device.
 *
 * The descriptors are owned by whoever holds the struct; ended_close() closes them. Nothing blocks.
 */
#ifndef SUPERVISE_WATCH_ENDED_H
#define SUPERVISE_WATCH_ENDED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/peer.h"
#include "supervise/watch/diag.h"

enum ended_how {
	ENDED_VANISHED, /* its host acknowledged nothing, and it was cut */
	ENDED_PRESUMED, /* the kernel reported an end that may have been this one's */
	ENDED_BY_US,	/* it was alive, and is replaced by another */
	ENDED_BY_DRIVER /* the driver shut it down: a reply that it did not understand, or a send
			   that failed half-way */
};

/*
 * ms: the settling time of a connection whose end proves nothing, from when the server answers.
 * Within it a server executes what it had not read yet, unless it is stalled.
 */
#define ENDED_SETTLE_MS 2000

/* ms: the limit for a server that held no request to close. */
#define ENDED_CLOSE_MS 2000

/*
 * ms: a request that entered after a check of an idle device is still counted for this time. The
 * driver requeues no request before queue/io_timeout has passed, which is at least a second.
 */
#define ENDED_COUNTED_MS 500

struct ended {
	int fd;		       /* -1: this process has no descriptor */
	struct diag_socket id; /* of such a socket; inode 0: not known, and only the limit counts */
	enum ended_how how;
	bool clean;	   /* it is proved that the server held no request at the end */
	bool closed;	   /* nothing more can be learnt from the socket */
	bool given_up;	   /* out: the limit has passed, and nothing was proved */
	uint32_t limit_ms; /* from `asked` on; 0: there is no limit */
	uint32_t close_ms; /* the same for a connection that is clean */
	uint64_t ended_at; /* monotonic ms */
	uint64_t asked;	   /* when ended_settled() was asked first; 0: not asked yet */
	struct peer peer;  /* its host may vanish meanwhile */
};

/* The number of bytes that were handed to TCP on this socket so far. False: unknown. */
bool ended_position(int fd, uint64_t *ret_bytes);

/* The device has no request under way at this moment (a look after the end, proof b). */
void ended_seen_idle(struct ended *e, uint64_t now);

/*
 * I/O has failed meanwhile, so no request waits for this connection: from here on only the settling
 * time counts.
 */
void ended_release(struct ended *e, uint64_t now);

/*
 * True if the connection needs no more waiting; e->given_up then says that this is not proved. Call
 * it when the server's host is known to be back. peer_timeout_ms is --peer-timeout; 0: the peer's
 * silence does not count.
 */
bool ended_settled(struct ended *e, uint64_t now, uint32_t peer_timeout_ms);

/* Which side has ended a connection first. */
enum ended_first {
	ENDED_FIRST_SERVER, /* its FIN, or a reset, came before any shutdown at our side */
	ENDED_FIRST_DRIVER, /* the driver has shut it down: the server may be alive */
	/*
	 * Both sides have ended it. Or there was a reset, and our side has sent a FIN, or may have
	 * one behind data that was not sent: a reply that arrives after a shutdown by the driver is
	 * answered with a reset by our own TCP. Or it is no TCP, and its peer is gone or unknown.
	 */
	ENDED_FIRST_UNKNOWN,
};

/*
 * For a socket that has hung up; `error` is its SO_ERROR. (For TCP, sock_diag would know more of a
 * connection that both sides have ended, but its first use makes the kernel load a module: if the
 * lost device holds the root file system, this process would wait for it for ever.)
 */
enum ended_first ended_first(int fd, int error);

/* The state of a socket that this process has not watched until now. */
enum ended_look {
	ENDED_LOOK_OPEN,
	ENDED_LOOK_SERVER, /* the server's FIN came first */
	ENDED_LOOK_HERE,   /* shut down at our side first, wholly or for sending */
	ENDED_LOOK_CLOSED, /* it has ended, and nothing shows which side was first */
};

enum ended_look ended_look(int fd);

void ended_close(struct ended *e);

#endif
