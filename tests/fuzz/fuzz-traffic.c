/* SPDX-License-Identifier: MIT */
/*
 * Any traffic through a relay: a byte before each piece has its direction in the highest bit and
 * its length in the others. Invariants: never more bytes are passed on than exist, at most the head
 * of one reply is held back, and what is taken out is a whole one; the pieces make no difference.
 */
#include "fuzz.h"
#include "nbd/traffic.h"

#define ROOM 8192

/* The state of a relay: bytes that wait for the rest. */
struct view {
	struct nbd_traffic traffic;
	uint8_t wait[ROOM];
	size_t len;
	uint64_t passed;
	unsigned shutdowns;
};

static void down(struct view *v, const uint8_t *p, size_t n)
{
	bool shutdown;
	size_t go;

	memcpy(v->wait + v->len, p, n);
	v->len += n;
	do {
		go = nbd_traffic_down(&v->traffic, v->wait, v->len, &shutdown);
		require(go <= v->len);
		v->passed += go;
		v->len -= go;
		memmove(v->wait, v->wait + go, v->len);
		if (!shutdown)
			break;
		require(v->len >= NBD_SIMPLE_LEN);
		v->len -= NBD_SIMPLE_LEN;
		memmove(v->wait, v->wait + NBD_SIMPLE_LEN, v->len);
		v->shutdowns++;
	} while (true);
	require(v->len < NBD_SIMPLE_LEN);
	require(v->traffic.n_reads <= NBD_TRAFFIC_READS);
}

static void up(struct view *v, const uint8_t *p, size_t n)
{
	nbd_traffic_up(&v->traffic, p, n);
	require(v->traffic.head_len < NBD_REQUEST_LEN);
	require(v->traffic.n_reads <= NBD_TRAFFIC_READS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct view whole, pieces;
	size_t n;

	memset(&whole, 0, sizeof(whole));
	memset(&pieces, 0, sizeof(pieces));
	for (size_t at = 0; at + 1 < size; at += n) {
		bool is_down = data[at] & 0x80;
		const uint8_t *p = data + at + 1;

		n = (data[at] & 0x7f) + 1;
		at++;
		n = n < size - at ? n : size - at;
		if (is_down)
			down(&whole, p, n);
		else
			up(&whole, p, n);
		for (size_t i = 0; i < n; i++) {
			if (is_down)
				down(&pieces, p + i, 1);
			else
				up(&pieces, p + i, 1);
		}
		require(whole.shutdowns == pieces.shutdowns && whole.passed == pieces.passed);
		require(whole.traffic.in_flight == pieces.traffic.in_flight);
		require(nbd_traffic_rest(&whole.traffic) == nbd_traffic_rest(&pieces.traffic));
		require(nbd_traffic_idle(&whole.traffic) == nbd_traffic_idle(&pieces.traffic));
		require(whole.traffic.goodbye == pieces.traffic.goodbye);
	}
	return 0;
}
