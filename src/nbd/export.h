/* SPDX-License-Identifier: MIT */
/*
 * A server's description of an export, in host byte order. It is a plain value: no ownership, no
 * pointers, so it can cross a process boundary as bytes and be checked on arrival.
 */
#ifndef NBD_EXPORT_H
#define NBD_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* proto.md, "String values": a string MUST NOT exceed 4096 bytes. */
#define NBD_STRING_MAX 4096

/* proto.md, "Block size constraints": the maximum payload to assume if the server declares none. */
#define NBD_PAYLOAD_DEFAULT (32u << 20)

/* Transmission flags, proto.md "Transmission flags". */
enum {
	NBD_TX_HAS_FLAGS = 1 << 0,
	NBD_TX_READ_ONLY = 1 << 1,
	NBD_TX_SEND_FLUSH = 1 << 2,
	NBD_TX_SEND_FUA = 1 << 3,
	NBD_TX_ROTATIONAL = 1 << 4,
	NBD_TX_SEND_TRIM = 1 << 5,
	NBD_TX_SEND_WRITE_ZEROES = 1 << 6,
	NBD_TX_SEND_DF = 1 << 7,
	NBD_TX_CAN_MULTI_CONN = 1 << 8,
	NBD_TX_SEND_RESIZE = 1 << 9,
	NBD_TX_SEND_CACHE = 1 << 10,
	NBD_TX_SEND_FAST_ZERO = 1 << 11,
	NBD_TX_BLOCK_STATUS_PAYLOAD = 1 << 12,
	NBD_TX_KNOWN = (1 << 13) - 1, /* "Clients SHOULD ignore unknown flags" */

	/*
	 * Flags that count without HAS_FLAGS, which a server MUST set. The kernel, qemu and libnbd
	 * do not look at it. Without these two, writes to a read-only export would fail one by one,
	 * and fsync would return before the data is safe. The others only allow more: several
	 * connections or trim, on the word of a server that breaks the protocol, may cost data, and
	 * without FUA the kernel flushes.
	 */
	NBD_TX_UNMARKED = NBD_TX_READ_ONLY | NBD_TX_SEND_FLUSH,
};

/* The names of the flags as proto.md has them, without NBD_FLAG_, in lower case. */
struct nbd_flag_name {
	uint16_t bit;
	const char *name;
};

extern const struct nbd_flag_name nbd_flag_names[];
extern const size_t nbd_flag_names_count;

enum nbd_style {
	NBD_STYLE_OLD,	    /* no options: one export, chosen by the port */
	NBD_STYLE_NEW,	    /* EXPORT_NAME only */
	NBD_STYLE_FIXED_NEW /* options with replies */
};

struct nbd_export {
	uint64_t size;	     /* bytes, below 2^63 */
	uint16_t flags;	     /* NBD_TX_KNOWN ones; without HAS_FLAGS, NBD_TX_UNMARKED ones */
	uint32_t min_block;  /* bytes; 0: the server declared no block sizes */
	uint32_t pref_block; /* bytes; 0 with min_block 0, or if the server's is impossible */
	uint32_t max_block;  /* maximum payload in bytes; 0: undeclared, UINT32_MAX: unlimited */
	enum nbd_style style;
	/* Valid UTF-8; may hold control characters, so escape them for people. A string that
	 * came as something else is here in its escaped form. */
	char name[NBD_STRING_MAX + 1];	      /* canonical name if the server sent one, else "" */
	char description[NBD_STRING_MAX + 1]; /* "" if none */
};

/* True if the bytes are a string of proto.md: at most NBD_STRING_MAX of UTF-8, no NUL. */
bool nbd_string_valid(const char *s, size_t len);

/* True if the minimum and the maximum payload are valid by proto.md, "Size constraints". */
bool nbd_block_limits_valid(uint32_t min, uint32_t max);

/* The same of the preferred block size, between two valid limits. */
bool nbd_preferred_block_valid(uint32_t min, uint32_t pref, uint32_t max);

/*
 * True if every field is one that a careful negotiator can produce: sizes in range, block sizes
 * powers of two in order, strings terminated and valid UTF-8. For values from another process.
 */
bool nbd_export_valid(const struct nbd_export *e);

/* The largest payload of a request that the server takes, in bytes, as far as it is sure. */
uint32_t nbd_export_payload(const struct nbd_export *e);

/*
 * True if two connections lead to the same export as far as the handshake shows: size, flags and
 * block sizes are equal. The names are not compared, because a server may vary them.
 */
bool nbd_export_equal(const struct nbd_export *a, const struct nbd_export *b);

#endif
