/* SPDX-License-Identifier: MIT */
/* A buffer for bytes between two sockets: filled at its end and emptied at its front. */
#ifndef WORKER_RELAY_BUFFER_H
#define WORKER_RELAY_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RELAY_BUFFER_SIZE (256U << 10)

struct relay_buffer {
	size_t start, len;
	uint8_t bytes[RELAY_BUFFER_SIZE];
};

static inline size_t buffer_room(const struct relay_buffer *b)
{
	return RELAY_BUFFER_SIZE - b->len;
}

static inline uint8_t *buffer_front(struct relay_buffer *b)
{
	return b->bytes + b->start;
}

/* Where the next bytes go: buffer_room() of them fit in one piece. */
static inline uint8_t *buffer_behind(struct relay_buffer *b)
{
	if (b->start) {
		memmove(b->bytes, b->bytes + b->start, b->len);
		b->start = 0;
	}
	return b->bytes + b->len;
}

static inline void buffer_drop(struct relay_buffer *b, size_t n)
{
	b->start += n;
	b->len -= n;
	if (b->len == 0)
		b->start = 0;
}

/* Takes n bytes out from behind the first `at`. */
static inline void buffer_cut(struct relay_buffer *b, size_t at, size_t n)
{
	uint8_t *place = buffer_front(b) + at;

	b->len -= n;
	memmove(place, place + n, b->len - at);
}

#endif
