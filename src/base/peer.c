/* SPDX-License-Identifier: MIT */
#include "base/peer.h"

#include <linux/tcp.h>

/*
 * The minimum time that the oldest unacknowledged segment has waited: each retransmission doubles
 * the timeout (RFC 6298 section 5.5), so r of them took (2^r - 1) times the first one.
 */
static uint64_t waited_ms(const struct tcp_info *info)
{
	uint64_t rto = info->tcpi_rto / 1000;
	unsigned doubled = info->tcpi_backoff > 16 ? 16 : info->tcpi_backoff;

	return rto - (rto >> doubled);
}

enum peer_state peer_judge(struct peer *p, const struct tcp_info *info, uint64_t now,
			   uint32_t limit_ms)
{
	uint64_t heard = info->tcpi_last_ack_recv < info->tcpi_last_data_recv
			     ? info->tcpi_last_ack_recv
			     : info->tcpi_last_data_recv;
	uint64_t waited;

	if (info->tcpi_unacked == 0 && info->tcpi_probes == 0) {
		p->silent_since = 0;
		return PEER_WELL;
	}
	if (p->silent_since == 0) {
		waited = waited_ms(info);
		p->silent_since = now - (waited < heard ? waited : heard);
	} else if (heard < now - p->silent_since) {
		p->silent_since = now - heard;
	}
	/* Without a retransmission or a probe, the peer had nothing to answer. */
	if (info->tcpi_retransmits == 0 && info->tcpi_probes == 0 && info->tcpi_backoff == 0)
		return PEER_SILENT;
	return now - p->silent_since >= limit_ms ? PEER_DEAD : PEER_SILENT;
}
