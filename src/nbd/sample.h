/* SPDX-License-Identifier: MIT */
/*
 * Reads a sample of an export's content over a connection after its handshake. Each read is
 * answered before the next one is sent, so that the connection is idle again afterwards. Like the
 * negotiator, it lends buffers and never touches a socket, and it never offers room past the
 * message it waits for. Pure.
 *
 * Which blocks are read depends on the size and the number of bytes only: the first one, the last
 * one, and others at even distances between. Only simple replies are understood, as no others were
 * negotiated.
 */
#ifndef NBD_SAMPLE_H
#define NBD_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "nbd/wire.h"

/* Bytes. No server may demand larger blocks: proto.md, "Size constraints". */
#define SAMPLE_BLOCK   65536
#define SAMPLE_DEFAULT (1 << 20)
#define SAMPLE_MAX     (64 << 20)

enum sample_status {
	SAMPLE_SENDS,
	SAMPLE_RECEIVES,
	SAMPLE_DONE,
	SAMPLE_BAD,	/* the server broke the protocol */
	SAMPLE_REFUSED, /* it answered a read with `error` */
};

struct sample {
	enum sample_status status;
	struct digest digest; /* when DONE: of all blocks, in their order */
	uint64_t offset;      /* of the read under way, or next */
	uint32_t error;	      /* NBD_E*, when REFUSED */

	uint64_t size; /* of the export */
	uint32_t max_payload;
	uint64_t block, blocks; /* of those to be read: this one, all */
	uint64_t end;		/* of this block */
	uint32_t left;		/* bytes of data to come of the read under way */
	uint8_t buf[4096];
	size_t len, done; /* of what is sent or received now */
	bool in_data;	  /* that is data, not its header */
	uint8_t *into;	  /* where the data goes; NULL: into the digest */
};

/*
 * size: of the export, in bytes, or as much of it as is to be looked at; max_payload: as in struct
 * nbd_export; bytes: the size of the sample, rounded up to whole blocks. For an empty export the
 * state is DONE at once.
 */
void sample_init(struct sample *s, uint64_t size, uint32_t max_payload, uint32_t bytes);

/* Reads that much at `offset` into a buffer of the caller's, instead of a sample. */
void sample_init_read(struct sample *s, uint64_t offset, uint32_t len, uint32_t max_payload,
		      uint8_t *into);

/* While it SENDS. */
const uint8_t *sample_send_buf(const struct sample *s, size_t *ret_len);
void sample_send_ack(struct sample *s, size_t len);

/* While it RECEIVES. */
uint8_t *sample_recv_buf(struct sample *s, size_t *ret_len);
void sample_recv_ack(struct sample *s, size_t len);

#endif
