/* SPDX-License-Identifier: MIT */
#include "nbd/sample.h"

#include <string.h>

#include "base/bytes.h"

/*
 * The remainder of a size beyond this unit is not a whole sector, and cannot be read from every
 * server.
 */
#define SECTOR UINT64_C(512)

static uint64_t blocks_of(uint64_t size)
{
	return size / SAMPLE_BLOCK + (size % SAMPLE_BLOCK != 0);
}

/*
 * The largest power of two that the server allows in one request. So each request begins at a
 * multiple of the server's minimum, which is a power of two, even if its maximum is not.
 */
static uint64_t most(const struct sample *s)
{
	uint64_t bytes = SAMPLE_BLOCK;

	while (s->max_payload && bytes > s->max_payload)
		bytes /= 2;
	return bytes;
}

/* The next read: as much of the block as the server allows in one request. */
static void request(struct sample *s)
{
	uint64_t len = s->end - s->offset;

	if (len > most(s))
		len = most(s);
	s->left = (uint32_t)len;
	put_be32(s->buf, NBD_REQUEST_MAGIC);
	put_be16(s->buf + 4, 0);
	put_be16(s->buf + 6, NBD_CMD_READ);
	put_be64(s->buf + 8, s->offset);
	put_be64(s->buf + 16, s->offset);
	put_be32(s->buf + 24, s->left);
	s->len = NBD_REQUEST_LEN;
	s->done = 0;
	s->status = SAMPLE_SENDS;
}

static void next_block(struct sample *s)
{
	uint64_t all = blocks_of(s->size), at = 0;

	if (s->block == s->blocks) {
		s->status = SAMPLE_DONE;
		return;
	}
	if (s->block > 0)
		at = s->block * (all - 1) / (s->blocks - 1);
	s->block++;
	s->offset = at * SAMPLE_BLOCK;
	s->end = s->offset + SAMPLE_BLOCK < s->size ? s->offset + SAMPLE_BLOCK : s->size;
	request(s);
}

void sample_init(struct sample *s, uint64_t size, uint32_t max_payload, uint32_t bytes)
{
	uint64_t wanted = blocks_of(bytes), all;

	memset(s, 0, sizeof(*s));
	s->size = size - size % SECTOR;
	s->max_payload = max_payload;
	all = blocks_of(s->size);
	s->blocks = wanted < all ? wanted : all;
	digest_init(&s->digest);
	next_block(s);
}

void sample_init_read(struct sample *s, uint64_t offset, uint32_t len, uint32_t max_payload,
		      uint8_t *into)
{
	memset(s, 0, sizeof(*s));
	s->max_payload = max_payload;
	s->into = into;
	s->offset = offset;
	s->end = offset + len;
	request(s);
}

const uint8_t *sample_send_buf(const struct sample *s, size_t *ret_len)
{
	*ret_len = s->len - s->done;
	return s->buf + s->done;
}

static void expect(struct sample *s, bool data, size_t len)
{
	s->in_data = data;
	s->len = len < sizeof(s->buf) ? len : sizeof(s->buf);
	s->done = 0;
	s->status = SAMPLE_RECEIVES;
}

void sample_send_ack(struct sample *s, size_t len)
{
	s->done += len;
	if (s->done == s->len)
		expect(s, false, NBD_SIMPLE_LEN);
}

uint8_t *sample_recv_buf(struct sample *s, size_t *ret_len)
{
	*ret_len = s->len - s->done;
	return s->buf + s->done;
}

/* The data of this read begins where its header ends. */
static void take_header(struct sample *s)
{
	s->error = get_be32(s->buf + 4);
	if (get_be32(s->buf) != NBD_SIMPLE_MAGIC || get_be64(s->buf + 8) != s->offset)
		s->status = SAMPLE_BAD;
	else if (s->error)
		s->status = SAMPLE_REFUSED;
	else
		expect(s, true, s->left);
}

static void take_data(struct sample *s)
{
	if (s->into) {
		memcpy(s->into, s->buf, s->len);
		s->into += s->len;
	} else {
		digest_add(&s->digest, s->buf, s->len);
	}
	s->left -= (uint32_t)s->len;
	s->offset += s->len;
	if (s->left)
		expect(s, true, s->left);
	else if (s->offset < s->end)
		request(s);
	else
		next_block(s);
}

void sample_recv_ack(struct sample *s, size_t len)
{
	s->done += len;
	if (s->done < s->len)
		return;
	if (s->in_data)
		take_data(s);
	else
		take_header(s);
}
