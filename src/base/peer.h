/* SPDX-License-Identifier: MIT */
/*
 * Decides whether the other end of a TCP connection is still alive. The decision uses the kernel's
 * TCP_INFO, never the time that the server takes to answer: a peer that acknowledges, even with a
 * window of zero, is alive, and its connection must not be closed. (If it were closed and a write
 * sent again, the server could carry out the first copy later, over newer data.) Pure: time is
 * passed in.
 */
#ifndef BASE_PEER_H
#define BASE_PEER_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_info;

/* The state between two checks; initially all zeroes. */
struct peer {
	uint64_t silent_since;	/* monotonic ms; 0: no data waits for an acknowledgement */
	uint64_t heard_at;	/* monotonic ms: the last answer, as of the last look */
	uint32_t retransmitted; /* segments since the connection began, at the last look */
	unsigned tries;		/* packets since the last answer that were not answered */
};

/* tcp_info.tcpi_state; <netinet/tcp.h> has the names, but not the newer fields. */
enum peer_tcp {
	PEER_TCP_ESTABLISHED = 1,
	PEER_TCP_FIN_WAIT1 = 4,
	PEER_TCP_FIN_WAIT2 = 5,
	PEER_TCP_TIME_WAIT = 6,
	PEER_TCP_CLOSE = 7,
	PEER_TCP_CLOSE_WAIT = 8,
	PEER_TCP_LAST_ACK = 9,
	PEER_TCP_CLOSING = 11,
};

enum peer_state {
	PEER_WELL,
	PEER_SILENT, /* some data is unacknowledged: check again soon */
	PEER_DEAD,   /* nothing was acknowledged for limit_ms, and several packets had no answer */
};

enum peer_state peer_judge(struct peer *p, const struct tcp_info *info, uint64_t now,
			   uint32_t limit_ms);

#endif
