/* SPDX-License-Identifier: MIT */
/*
 * The names and numbers of the NBD handshake, as proto.md of NetworkBlockDevice/nbd gives them.
 * Everything is big-endian on the wire. Transmission flags are in export.h.
 */
#ifndef NBD_WIRE_H
#define NBD_WIRE_H

#include <stdint.h>

#define NBD_MAGIC	  UINT64_C(0x4e42444d41474943) /* "NBDMAGIC", opens every style */
#define NBD_OLDSTYLE	  UINT64_C(0x0000420281861253)
#define NBD_IHAVEOPT	  UINT64_C(0x49484156454f5054) /* "IHAVEOPT", newstyle and each option */
#define NBD_REPLY_MAGIC	  UINT64_C(0x0003e889045565a9)
#define NBD_REQUEST_MAGIC UINT32_C(0x25609513)
#define NBD_SIMPLE_MAGIC  UINT32_C(0x67446698) /* a simple reply */

/* Lengths in bytes. */
enum {
	NBD_OLDSTYLE_LEN = 8 + 4,      /* size, flags; then the zeroes */
	NBD_EXPORT_NAME_LEN = 8 + 2,   /* the reply to EXPORT_NAME, without the zeroes */
	NBD_ZEROES_LEN = 124,	       /* reserved bytes at the end of both */
	NBD_OPTION_LEN = 8 + 4 + 4,    /* magic, option, length */
	NBD_REPLY_LEN = 8 + 4 + 4 + 4, /* magic, option, reply type, length */
	NBD_REQUEST_LEN = 4 + 2 + 2 + 8 + 8 + 4,
	NBD_SIMPLE_LEN = 4 + 4 + 8, /* magic, error, cookie; then what was read */
	NBD_INFO_EXPORT_LEN = 2 + 8 + 2,
	NBD_INFO_BLOCK_SIZE_LEN = 2 + 4 + 4 + 4,
};

/* Handshake flags (16 bits, the server's) and client flags (32 bits). */
enum {
	NBD_FLAG_FIXED_NEWSTYLE = 1 << 0,
	NBD_FLAG_NO_ZEROES = 1 << 1,
	NBD_FLAG_C_FIXED_NEWSTYLE = 1 << 0,
	NBD_FLAG_C_NO_ZEROES = 1 << 1,
};

enum {
	NBD_OPT_EXPORT_NAME = 1,
	NBD_OPT_ABORT = 2,
	NBD_OPT_LIST = 3,
	NBD_OPT_PEEK_EXPORT = 4, /* withdrawn */
	NBD_OPT_STARTTLS = 5,
	NBD_OPT_INFO = 6,
	NBD_OPT_GO = 7,
	NBD_OPT_STRUCTURED_REPLY = 8,
	NBD_OPT_LIST_META_CONTEXT = 9,
	NBD_OPT_SET_META_CONTEXT = 10,
	NBD_OPT_EXTENDED_HEADERS = 11, /* experimental */
};

enum {
	NBD_REP_ACK = 1,
	NBD_REP_SERVER = 2,
	NBD_REP_INFO = 3,
	NBD_REP_META_CONTEXT = 4,
};

/* Error replies: this bit and one of the numbers. */
#define NBD_REP_FLAG_ERROR (UINT32_C(1) << 31)

enum {
	NBD_ERR_UNSUP = 1,
	NBD_ERR_POLICY = 2,
	NBD_ERR_INVALID = 3,
	NBD_ERR_PLATFORM = 4,
	NBD_ERR_TLS_REQD = 5,
	NBD_ERR_UNKNOWN = 6,
	NBD_ERR_SHUTDOWN = 7,
	NBD_ERR_BLOCK_SIZE_REQD = 8,
	NBD_ERR_TOO_BIG = 9,
	NBD_ERR_EXT_HEADER_REQD = 10, /* experimental */
	NBD_ERR_N,
};

enum {
	NBD_INFO_EXPORT = 0,
	NBD_INFO_NAME = 1,
	NBD_INFO_DESCRIPTION = 2,
	NBD_INFO_BLOCK_SIZE = 3,
};

enum { NBD_CMD_READ = 0, NBD_CMD_WRITE = 1, NBD_CMD_DISC = 2 };

enum { NBD_ESHUTDOWN = 108 }; /* the error of a reply, not the host's */

#endif
