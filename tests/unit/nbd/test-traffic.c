/* SPDX-License-Identifier: MIT */
/* The parsing of requests and replies in transit, whatever the pieces are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "nbd/traffic.h"

struct stream {
	size_t len;
	uint8_t bytes[100000];
};

static void add_request(struct stream *s, uint16_t type, uint64_t cookie, uint32_t len)
{
	uint8_t *p = s->bytes + s->len;

	memset(p, 0, NBD_REQUEST_LEN);
	put_be32(p, NBD_REQUEST_MAGIC);
	put_be16(p + 6, type);
	put_be64(p + 8, cookie);
	put_be32(p + 24, len);
	s->len += NBD_REQUEST_LEN;
}

static void add_reply(struct stream *s, uint32_t error, uint64_t cookie)
{
	uint8_t *p = s->bytes + s->len;

	put_be32(p, NBD_SIMPLE_MAGIC);
	put_be32(p + 4, error);
	put_be64(p + 8, cookie);
	s->len += NBD_SIMPLE_LEN;
}

/* Data that looks like the expected reply. */
static void add_data(struct stream *s, size_t len)
{
	for (size_t end = s->len + len; s->len < end;)
		add_reply(s, NBD_ESHUTDOWN, 1);
}

/* In pieces of `step` bytes, each with the rest that was not consumed before. */
static size_t replies(struct nbd_traffic *t, const struct stream *s, size_t step,
		      bool *ret_shutdown)
{
	size_t passed = 0;

	*ret_shutdown = false;
	for (size_t end = 0; end < s->len && !*ret_shutdown;) {
		end = end + step < s->len ? end + step : s->len;
		passed += nbd_traffic_down(t, s->bytes + passed, end - passed, ret_shutdown);
	}
	return passed;
}

static void requests(struct nbd_traffic *t, const struct stream *s, size_t step)
{
	for (size_t at = 0; at < s->len; at += step)
		nbd_traffic_up(t, s->bytes + at, s->len - at < step ? s->len - at : step);
}

static void shutdown_is_found_wherever_it_is_cut(void **state)
{
	static struct stream up, down;
	static struct nbd_traffic t;
	size_t before;
	bool shutdown;

	(void)state;
	add_request(&up, NBD_CMD_READ, 7, 4096);
	add_request(&up, NBD_CMD_WRITE, 8, 4096);
	add_data(&up, 4096);
	add_request(&up, NBD_CMD_READ, 9, 1 << 20);
	add_request(&up, NBD_CMD_READ, 10, 512);
	add_request(&up, NBD_CMD_WRITE, 11, 0);
	add_reply(&down, 0, 8);
	add_reply(&down, 5, 9); /* an error, without data */
	add_reply(&down, 0, 7);
	add_data(&down, 4096);
	add_reply(&down, 0, 10);
	add_data(&down, 512);
	before = down.len;
	add_reply(&down, NBD_ESHUTDOWN, 11);
	add_reply(&down, 0, 12);
	for (size_t step = 1; step < 200; step++) {
		memset(&t, 0, sizeof(t));
		requests(&t, &up, step);
		assert_false(t.goodbye);
		assert_int_equal(t.in_flight, 5);
		assert_false(nbd_traffic_idle(&t));
		assert_int_equal(replies(&t, &down, step, &shutdown), before);
		assert_true(shutdown);
		assert_true(nbd_traffic_idle(&t));
	}
}

/* What completes a request of which a part has passed. */
static void the_rest_of_a_request_is_known(void **state)
{
	static struct stream up;
	static struct nbd_traffic t;
	const size_t whole = NBD_REQUEST_LEN + 4096;

	(void)state;
	add_request(&up, NBD_CMD_WRITE, 8, 4096);
	add_data(&up, 4096);
	for (size_t at = 0; at < whole; at++) {
		assert_int_equal(nbd_traffic_rest(&t), at == 0		      ? 0
						       : at < NBD_REQUEST_LEN ? NBD_REQUEST_LEN - at
									      : whole - at);
		assert_int_equal(nbd_traffic_idle(&t), at == 0);
		nbd_traffic_up(&t, up.bytes + at, 1);
	}
	assert_int_equal(nbd_traffic_rest(&t), 0);
	assert_false(nbd_traffic_idle(&t));
}

static void goodbye_is_the_last_word(void **state)
{
	static struct stream up, more;
	static struct nbd_traffic t;

	(void)state;
	add_request(&up, NBD_CMD_WRITE, 1, 28);
	add_request(&up, NBD_CMD_DISC, 2, 0); /* not a request, but written data */
	add_request(&more, NBD_CMD_DISC, 3, 0);
	for (size_t step = 1; step < 60; step++) {
		memset(&t, 0, sizeof(t));
		requests(&t, &up, step);
		assert_false(t.goodbye);
		requests(&t, &more, step);
		assert_true(t.goodbye);
		nbd_traffic_up(&t, NULL, 0);
		assert_true(t.goodbye);
		nbd_traffic_up(&t, (const uint8_t *)"x", 1);
		assert_false(t.goodbye);
	}
	/* The same in one piece. */
	memset(&t, 0, sizeof(t));
	more.bytes[more.len++] = 'x';
	requests(&t, &more, more.len);
	assert_false(t.goodbye);
}

/* Any data passes at once. */
static void what_is_not_understood_passes(void **state)
{
	static struct stream s;
	static struct nbd_traffic t;
	bool shutdown;

	(void)state;
	assert_int_equal(nbd_traffic_down(&t, (const uint8_t *)"what", 4, &shutdown), 4);
	assert_false(shutdown);
	add_reply(&s, NBD_ESHUTDOWN, 1);
	assert_int_equal(replies(&t, &s, 3, &shutdown), s.len);
	assert_false(shutdown);

	memset(&t, 0, sizeof(t));
	nbd_traffic_up(&t, (const uint8_t *)"0123456789012345678901234567", NBD_REQUEST_LEN);
	assert_int_equal(replies(&t, &s, 3, &shutdown), s.len);

	memset(&t, 0, sizeof(t));
	for (uint64_t i = 0; i <= NBD_TRAFFIC_READS; i++) {
		struct stream one = {0};

		assert_int_equal(t.n_reads, i);
		add_request(&one, NBD_CMD_READ, i, 1);
		requests(&t, &one, NBD_REQUEST_LEN);
	}
	assert_int_equal(replies(&t, &s, 3, &shutdown), s.len);
}

/* An incomplete header is held back. */
static void half_a_head_waits(void **state)
{
	static struct stream s;
	static struct nbd_traffic t;
	bool shutdown;

	(void)state;
	add_reply(&s, 0, 1);
	for (size_t len = 0; len < s.len; len++)
		assert_int_equal(nbd_traffic_down(&t, s.bytes, len, &shutdown), 0);
	assert_int_equal(nbd_traffic_down(&t, s.bytes, s.len, &shutdown), s.len);
	assert_false(shutdown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shutdown_is_found_wherever_it_is_cut),
	    cmocka_unit_test(the_rest_of_a_request_is_known),
	    cmocka_unit_test(goodbye_is_the_last_word),
	    cmocka_unit_test(what_is_not_understood_passes),
	    cmocka_unit_test(half_a_head_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
