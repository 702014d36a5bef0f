/* SPDX-License-Identifier: MIT */
/*
 * Follows requests and simple replies on their way, to find the reply that says that the server is
 * shutting down (NBD_ESHUTDOWN). By the protocol a client leaves then, and asks another time; the
 * kernel's nbd takes it for an I/O error. Bytes are never changed or kept here: the caller is told
 * how many may go on. Pure, nothing blocks, no memory is taken.
 *
 * What is not understood (another magic, more reads under way than there is room for) ends the
 * search, and from then on everything may pass: the kernel judges what is wrong with it.
 */
#ifndef NBD_TRAFFIC_H
#define NBD_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nbd/wire.h"

#define NBD_TRAFFIC_READS 2048 /* the kernel's: 128 of each connection, of 16 */

struct nbd_traffic {
	/* Read only: what the last request was, with nothing behind it, the end of the session. */
	bool goodbye;

	/* Private. */
	bool lost;
	size_t head_len;
	uint8_t head[NBD_REQUEST_LEN];
	uint64_t up_data, down_data; /* bytes of data that are to come */
	size_t n_reads;
	struct {
		uint64_t cookie;
		uint32_t len;
	} reads[NBD_TRAFFIC_READS];
};

/* All zeroes is a connection at the beginning of its transmission phase. */

/* Takes note of what goes to the server. */
void nbd_traffic_up(struct nbd_traffic *t, const uint8_t *bytes, size_t len);

/*
 * How many of these bytes, of which it has seen none before, may go to the kernel: all but the
 * incomplete head of a reply at the end, which comes again with its rest. *ret_shutdown: what comes
 * then is the reply of a server that shuts down, to a request that it has not carried out.
 */
size_t nbd_traffic_down(struct nbd_traffic *t, const uint8_t *bytes, size_t len,
			bool *ret_shutdown);

#endif
