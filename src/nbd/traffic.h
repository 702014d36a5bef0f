/* SPDX-License-Identifier: MIT */
/*
 * Follows the requests and simple replies that pass through, to find the reply which says that the
 * server is shutting down (NBD_ESHUTDOWN). By the protocol a client then disconnects and tries
 * again later, but the kernel's nbd driver reports an I/O error. It also counts the requests that
 * are not answered. This module never changes or keeps bytes: it tells the caller how many may
 * pass. Pure: it neither blocks nor allocates.
 *
 * Data that it does not understand (another magic, more reads in flight than there is room for)
 * ends the search. From then on everything may pass, and the kernel handles whatever is wrong with
 * it.
 */
#ifndef NBD_TRAFFIC_H
#define NBD_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nbd/wire.h"

#define NBD_TRAFFIC_READS 2048 /* the kernel's: 128 of each connection, of 16 */

struct nbd_traffic {
	/* Read only: true if the last request, with nothing after it, ended the session. */
	bool goodbye;

	/* Private. */
	bool lost;
	size_t head_len;
	uint8_t head[NBD_REQUEST_LEN];
	uint64_t up_data, down_data; /* bytes of data that are to come */
	uint64_t in_flight;	     /* requests without a reply */
	size_t n_reads;
	struct {
		uint64_t cookie;
		uint32_t len;
	} reads[NBD_TRAFFIC_READS];
};

/* All zeroes is a connection at the beginning of its transmission phase. */

/* Records bytes that go to the server. */
void nbd_traffic_up(struct nbd_traffic *t, const uint8_t *bytes, size_t len);

/*
 * Returns how many of these new bytes may go to the kernel: all but an incomplete reply header at
 * the end, which the caller passes again together with its rest. Sets *ret_shutdown if the next
 * NBD_SIMPLE_LEN bytes are the reply of a server which is shutting down, to a request that it has
 * not carried out: they are not for the kernel, and the next call begins behind them.
 */
size_t nbd_traffic_down(struct nbd_traffic *t, const uint8_t *bytes, size_t len,
			bool *ret_shutdown);

/* The next bytes of a request of which a part has passed; 0: there is none. */
size_t nbd_traffic_rest(const struct nbd_traffic *t);

/* Every request was answered, and none has passed in part. False also if that is not known. */
bool nbd_traffic_idle(const struct nbd_traffic *t);

#endif
