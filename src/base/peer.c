/* SPDX-License-Identifier: MIT */
#include "base/peer.h"

#include <linux/tcp.h>

#define TRIES	    2	   /* unanswered packets: one alone may just have been lost */
#define JITTER_MS   50	   /* of two looks at the same time of the last answer */
#define RTO_MAX_MS  120000 /* TCP_RTO_MAX: a longer timeout is not doubled */
#define DOUBLED_MAX 16

static unsigned doubled(const struct tcp_info *info)
{
	return info->tcpi_retransmits > DOUBLED_MAX ? DOUBLED_MAX : info->tcpi_retransmits;
}

/*
 * The minimum time that the oldest unacknowledged segment has waited: each retransmission doubles
 * the timeout (RFC 6298 section 5.5), so r of them took (2^r - 1) times the first one.
 */
static uint64_t waited_ms(const struct tcp_info *info)
{
	uint64_t rto = info->tcpi_rto / 1000;

	return rto - (rto >> doubled(info));
}

/*
 * The least number of retransmissions that were sent since the peer was heard. The latest was sent
 * at most one timeout ago. The one before was sent half of that earlier, because TCP doubles its
 * timeout until it reaches the maximum; from then on, a whole timeout earlier.
 */
static unsigned sure_tries(const struct tcp_info *info, uint64_t heard)
{
	uint64_t rto = info->tcpi_rto / 1000;
	uint64_t before = rto < RTO_MAX_MS ? rto + rto / 2 : 2 * rto;
	unsigned tries = heard < rto ? 0 : heard < before ? 1 : 2;

	return tries < doubled(info) ? tries : doubled(info);
}

/*
 * A peer that has no memory for a segment answers each retransmission, with a window of zero, and
 * acknowledges nothing; the timeout grows up to two minutes, while tcpi_retransmits stays at 0
 * (seen on 6.18; net/ipv4/tcp_timer.c, tcp_retransmit_timer()). So its silence between two
 * retransmissions is longer than the limit, although it owes no answer: what counts is what it did
 * not answer.
 */
static unsigned unanswered(struct peer *p, const struct tcp_info *info, uint64_t now,
			   uint64_t heard)
{
	uint64_t heard_at = now - heard;
	bool retried = info->tcpi_total_retrans != p->retransmitted;
	unsigned sure = sure_tries(info, heard);

	if (p->silent_since == 0 || heard_at > p->heard_at + JITTER_MS) {
		p->heard_at = heard_at;
		p->tries = 0;
	} else if (retried) {
		p->tries++;
	}
	p->retransmitted = info->tcpi_total_retrans;
	if (p->tries < sure)
		p->tries = sure;
	/* An answer resets the number of probes. */
	return info->tcpi_probes > p->tries ? info->tcpi_probes : p->tries;
}

enum peer_state peer_judge(struct peer *p, const struct tcp_info *info, uint64_t now,
			   uint32_t limit_ms)
{
	uint64_t heard = info->tcpi_last_ack_recv < info->tcpi_last_data_recv
			     ? info->tcpi_last_ack_recv
			     : info->tcpi_last_data_recv;
	uint64_t waited;
	unsigned tries;

	if (info->tcpi_unacked == 0 && info->tcpi_probes == 0) {
		*p = (struct peer){.silent_since = 0};
		return PEER_WELL;
	}
	tries = unanswered(p, info, now, heard);
	if (p->silent_since == 0) {
		waited = waited_ms(info);
		p->silent_since = now - (waited < heard ? waited : heard);
	} else if (heard < now - p->silent_since) {
		p->silent_since = now - heard;
	}
	if (tries < TRIES)
		return PEER_SILENT;
	return now - p->silent_since >= limit_ms ? PEER_DEAD : PEER_SILENT;
}
