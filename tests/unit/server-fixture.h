/* SPDX-License-Identifier: MIT */
/*
 * For the tests of transport/: a server in a child process that grants GO, and its parts for
 * servers that misbehave half-way. Every function asserts.
 */
#ifndef SERVER_FIXTURE_H
#define SERVER_FIXTURE_H

#include "transport-fixture.h"

#include "nbd/export.h"
#include "endpoint/endpoint.h"

static inline void tcp_endpoint(struct endpoint *e, const char *host, uint16_t port)
{
	endpoint_init(e);
	e->host = strdup(host);
	e->port = port;
	e->export_name = strdup("");
}

/* The part of proto.md that a server needs for GO and INFO. */
static inline void send_greeting(int fd)
{
	uint8_t greeting[18] = "NBDMAGICIHAVEOPT";

	put_be16(greeting + 16, 3); /* fixed newstyle, no zeroes */
	(void)!write(fd, greeting, sizeof(greeting));
}

static inline bool read_all(int fd, uint8_t *buf, size_t len)
{
	return recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

/* Reads the client's flags and options up to GO or INFO; 0: the client has closed. */
static inline uint32_t read_go(int fd, uint8_t *option, size_t size)
{
	uint8_t head[16];
	uint32_t len;

	for (;;) {
		if (!read_all(fd, head, sizeof(head)))
			return 0;
		len = get_be32(head + 12);
		if (len > size || !read_all(fd, option, len))
			return 0;
		if (get_be32(head + 8) == 6 || get_be32(head + 8) == 7)
			return get_be32(head + 8);
	}
}

static inline size_t put_reply(uint8_t *p, uint32_t option, uint32_t type, const void *data,
			       size_t len)
{
	put_be64(p, 0x3e889045565a9);
	put_be32(p + 8, option);
	put_be32(p + 12, type);
	put_be32(p + 16, (uint32_t)len);
	memcpy(p + 20, data, len);
	return 20 + len;
}

/* Greets, and reads up to GO or INFO; 0: the client has closed. */
static inline uint32_t greet(int fd)
{
	uint8_t flags[4], option[5000];

	send_greeting(fd);
	if (!read_all(fd, flags, sizeof(flags)))
		return 0;
	return read_go(fd, option, sizeof(option));
}

/* The answer to `which`: an export of 1 MiB, granted. Returns its length. */
static inline size_t put_grant(uint8_t *out, uint32_t which, uint16_t flags)
{
	uint8_t info[12];
	size_t len;

	put_be16(info, 0);
	put_be64(info + 2, 1 << 20);
	put_be16(info + 10, flags);
	len = put_reply(out, which, 3, info, sizeof(info));
	return len + put_reply(out + len, which, 1, "", 0);
}

/* Grants GO, with the first bytes of the transmission phase in the same segment. */
static inline void good_server(int fd)
{
	uint8_t out[200];
	uint32_t which = greet(fd);
	size_t len;

	if (!which)
		return;
	len = put_grant(out, which, NBD_TX_HAS_FLAGS | NBD_TX_SEND_FLUSH);
	memcpy(out + len, "TRANSMISSION", 12);
	(void)!write(fd, out, len + 12);
	/* Sends everything back that it receives, until the client closes. */
	while ((len = (size_t)recv(fd, out, sizeof(out), 0)) > 0 && len <= sizeof(out))
		(void)!write(fd, out, len);
}

#endif
