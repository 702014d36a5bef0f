/* SPDX-License-Identifier: MIT */
/*
 * Is the other end of a TCP connection still there? Judged from what the kernel's TCP knows
 * (TCP_INFO), never from how long the server takes to answer: a peer that acknowledges, be it
 * with a window of zero, is alive and must not be cut (cutting it and resending a write lets the
 * first copy land later, over newer data). Pure: time is passed in.
 */
#ifndef BASE_PEER_H
#define BASE_PEER_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_info;

/* What is remembered between two looks; zero at first. */
struct peer {
	uint64_t silent_since; /* monotonic ms; 0: nothing waits for an acknowledgement */
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
	PEER_SILENT, /* something is unacknowledged: look again soon */
	PEER_DEAD,   /* neither data nor probes were acknowledged for limit_ms */
};

enum peer_state peer_judge(struct peer *p, const struct tcp_info *info, uint64_t now,
			   uint32_t limit_ms);

#endif
