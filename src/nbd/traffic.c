/* SPDX-License-Identifier: MIT */
#include "nbd/traffic.h"

#include <string.h>

#include "base/bytes.h"

static size_t min(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

static void remember_read(struct nbd_traffic *t, uint64_t cookie, uint32_t len)
{
	if (t->n_reads == NBD_TRAFFIC_READS) {
		t->lost = true;
		return;
	}
	t->reads[t->n_reads].cookie = cookie;
	t->reads[t->n_reads++].len = len;
}

/* The bytes of data that follow a good reply. */
static uint32_t take_read(struct nbd_traffic *t, uint64_t cookie)
{
	uint32_t len;

	for (size_t i = 0; i < t->n_reads; i++) {
		if (t->reads[i].cookie != cookie)
			continue;
		len = t->reads[i].len;
		t->reads[i] = t->reads[--t->n_reads];
		return len;
	}
	return 0;
}

static void request(struct nbd_traffic *t)
{
	uint16_t type = get_be16(t->head + 6);
	uint64_t cookie = get_be64(t->head + 8);
	uint32_t len = get_be32(t->head + 24);

	if (get_be32(t->head) != NBD_REQUEST_MAGIC)
		t->lost = true;
	else if (type == NBD_CMD_READ)
		remember_read(t, cookie, len);
	else if (type == NBD_CMD_WRITE)
		t->up_data = len;
	t->goodbye = !t->lost && type == NBD_CMD_DISC;
	t->in_flight += type != NBD_CMD_DISC; /* which has no reply */
}

void nbd_traffic_up(struct nbd_traffic *t, const uint8_t *bytes, size_t len)
{
	size_t n;

	while (len && !t->lost) {
		n = min(t->up_data, len);
		t->up_data -= n;
		bytes += n;
		len -= n;
		n = min(NBD_REQUEST_LEN - t->head_len, len);
		t->goodbye = t->goodbye && n == 0;
		memcpy(t->head + t->head_len, bytes, n);
		t->head_len += n;
		bytes += n;
		len -= n;
		if (t->head_len == NBD_REQUEST_LEN) {
			t->head_len = 0;
			request(t);
		}
	}
	if (len)
		t->goodbye = false;
}

size_t nbd_traffic_down(struct nbd_traffic *t, const uint8_t *bytes, size_t len, bool *ret_shutdown)
{
	size_t at = 0, n;
	uint32_t error;

	*ret_shutdown = false;
	while (!t->lost) {
		n = min(t->down_data, len - at);
		t->down_data -= n;
		at += n;
		if (len - at < sizeof(uint32_t))
			return at;
		if (get_be32(bytes + at) != NBD_SIMPLE_MAGIC) {
			t->lost = true;
			break;
		}
		if (len - at < NBD_SIMPLE_LEN)
			return at;
		error = get_be32(bytes + at + 4);
		t->down_data = take_read(t, get_be64(bytes + at + 8));
		if (error)
			t->down_data = 0;
		t->in_flight -= t->in_flight > 0;
		if (error == NBD_ESHUTDOWN) {
			*ret_shutdown = true;
			return at;
		}
		at += NBD_SIMPLE_LEN;
	}
	return len;
}

size_t nbd_traffic_rest(const struct nbd_traffic *t)
{
	if (t->lost)
		return 0;
	if (t->up_data)
		return min(t->up_data, SIZE_MAX);
	return t->head_len ? NBD_REQUEST_LEN - t->head_len : 0;
}

bool nbd_traffic_idle(const struct nbd_traffic *t)
{
	return !t->lost && t->in_flight == 0 && nbd_traffic_rest(t) == 0;
}
