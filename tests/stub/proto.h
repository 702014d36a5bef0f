/* SPDX-License-Identifier: MIT */
/*
 * The protocol between the stub build of nbd-attach, the programs that use a device, and the
 * driver: messages of a Unix SEQPACKET socket at RUNDIR/stub/driver. The first message of a
 * connection says its purpose.
 */
#ifndef STUB_PROTO_H
#define STUB_PROTO_H

#include <stdint.h>

#define STUB_SOCKET   "driver"
#define STUB_DEVICES  4
#define STUB_FDS_MAX  16
#define STUB_DATA_MAX 65536

enum stub_op {
	STUB_ATTACH = 1, /* the three commands; sockets are attached as SCM_RIGHTS */
	STUB_CHANGE,
	STUB_DETACH,
	STUB_EVENTS, /* this connection gets the events of struct stub_event */
	STUB_LOG,    /* this connection gets the records of the kernel's log */
	STUB_OPEN,   /* open(2) of a device; the connection's end closes it */
	STUB_READ,   /* read and write a device that this connection has opened */
	STUB_WRITE,
	STUB_FLUSH,
	STUB_CONTROL, /* a command of a test; the answer is text */
};

/* Followed by the identifier (ATTACH, CHANGE), the data (WRITE) or the words (CONTROL). */
struct stub_request {
	uint32_t op;
	int32_t index;
	uint64_t id; /* repeated in the reply */
	uint64_t size;
	uint64_t timeout, dead_timeout;
	uint64_t offset;
	uint32_t length;
	uint32_t block_size;
	uint16_t flags;
	uint8_t set_timeout, set_dead_timeout;
	uint8_t has_identifier;
	uint8_t ioctl;		   /* ATTACH: the device ends with its last connection */
	uint8_t exclusive, writes; /* OPEN */
};

/* Followed by the data (READ) or text (CONTROL). */
struct stub_reply {
	uint64_t id;
	int32_t error; /* 0 or -errno */
};

struct stub_event {
	int32_t index; /* -1: events were lost */
};

#endif
