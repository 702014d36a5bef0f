/* SPDX-License-Identifier: MIT */
/* nbd/sample.c and base/digest.c: which blocks are read, and how the answers are used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "nbd/sample.h"

#define MIB (UINT64_C(1) << 20)

static struct sample s;

/* The requests that the server got, in order. */
static struct read {
	uint64_t offset;
	uint32_t len;
} reads[2048];
static size_t n_reads;

static uint8_t content(uint64_t offset)
{
	return (uint8_t)(offset * 7 + (offset >> 16));
}

static uint64_t odd; /* offset of a byte that differs; UINT64_MAX: none */

/* In pieces of `step`, as from a socket. */
static void receive(const uint8_t *bytes, size_t len, size_t step)
{
	while (len) {
		size_t room, n;
		uint8_t *buf;

		assert_int_equal(s.status, SAMPLE_RECEIVES);
		buf = sample_recv_buf(&s, &room);
		assert_true(room > 0 && room <= len);
		n = room < step ? room : step;
		memcpy(buf, bytes, n);
		sample_recv_ack(&s, n);
		bytes += n;
		len -= n;
	}
}

static void take_request(size_t step, struct read *ret_read, uint64_t *ret_cookie)
{
	uint8_t wire[NBD_REQUEST_LEN];
	size_t len = 0;

	while (s.status == SAMPLE_SENDS) {
		size_t more;
		const uint8_t *buf = sample_send_buf(&s, &more);

		more = more < step ? more : step;
		assert_true(len + more <= sizeof(wire));
		memcpy(wire + len, buf, more);
		len += more;
		sample_send_ack(&s, more);
	}
	assert_int_equal(len, sizeof(wire));
	assert_int_equal(get_be32(wire), NBD_REQUEST_MAGIC);
	assert_int_equal(get_be32(wire + 4), NBD_CMD_READ);
	*ret_cookie = get_be64(wire + 8);
	ret_read->offset = get_be64(wire + 16);
	ret_read->len = get_be32(wire + 24);
}

static void reply(uint32_t magic, uint32_t error, uint64_t cookie)
{
	uint8_t header[NBD_SIMPLE_LEN];

	put_be32(header, magic);
	put_be32(header + 4, error);
	put_be64(header + 8, cookie);
	receive(header, sizeof(header), 5);
}

/* Answers everything that is asked for. */
static uint32_t aligned; /* each read has to begin at a multiple of this; 0: anywhere */

static void serve_all(uint64_t size, uint32_t max_payload, size_t step)
{
	static uint8_t data[SAMPLE_BLOCK];

	n_reads = 0;
	while (s.status == SAMPLE_SENDS) {
		struct read r;
		uint64_t cookie;

		take_request(step, &r, &cookie);
		assert_true(r.len > 0 && r.len <= SAMPLE_BLOCK);
		assert_true(r.offset + r.len <= size);
		assert_true(!max_payload || r.len <= max_payload);
		assert_true(!aligned || r.offset % aligned == 0);
		reads[n_reads++] = r;
		for (uint32_t i = 0; i < r.len; i++)
			data[i] = content(r.offset + i) ^ (r.offset + i == odd);
		reply(NBD_SIMPLE_MAGIC, 0, cookie);
		receive(data, r.len, step);
	}
	assert_int_equal(s.status, SAMPLE_DONE);
}

static void serve(uint64_t size, uint32_t max_payload, uint32_t bytes, size_t step)
{
	sample_init(&s, size, max_payload, bytes);
	serve_all(size, max_payload, step);
}

static int setup(void **state)
{
	(void)state;
	odd = UINT64_MAX;
	return 0;
}

static void test_spread(void **state)
{
	(void)state;
	serve(64 * MIB, 0, SAMPLE_DEFAULT, SIZE_MAX);
	assert_int_equal(n_reads, 16);
	assert_int_equal(reads[0].offset, 0);
	assert_int_equal(reads[15].offset, 64 * MIB - SAMPLE_BLOCK);
	for (size_t i = 0; i < n_reads; i++) {
		assert_int_equal(reads[i].offset % SAMPLE_BLOCK, 0);
		assert_int_equal(reads[i].len, SAMPLE_BLOCK);
		assert_true(i == 0 || reads[i].offset - reads[i - 1].offset >= 4 * MIB);
	}
	serve(UINT64_C(1) << 62, 0, SAMPLE_MAX, SIZE_MAX);
	assert_int_equal(n_reads, 1024);
	assert_int_equal(reads[1023].offset, (UINT64_C(1) << 62) - SAMPLE_BLOCK);
}

static void test_small(void **state)
{
	(void)state;
	serve(0, 0, SAMPLE_DEFAULT, SIZE_MAX);
	assert_int_equal(n_reads, 0);
	serve(511, 0, SAMPLE_DEFAULT, SIZE_MAX);
	assert_int_equal(n_reads, 0);
	serve(1536, 0, SAMPLE_DEFAULT, SIZE_MAX);
	assert_int_equal(n_reads, 1);
	assert_int_equal(reads[0].len, 1536);
	/* Everything once, in order, without an incomplete sector at the end. */
	serve(3 * SAMPLE_BLOCK + 700, 0, SAMPLE_DEFAULT, SIZE_MAX);
	assert_int_equal(n_reads, 4);
	for (size_t i = 0; i < n_reads; i++)
		assert_int_equal(reads[i].offset, i * SAMPLE_BLOCK);
	assert_int_equal(reads[3].len, 512);
	serve(64 * MIB, 0, SAMPLE_BLOCK, SIZE_MAX);
	assert_int_equal(n_reads, 1);
	assert_int_equal(reads[0].offset, 0);
}

/* The digest does not depend on the largest request or on the pieces that arrive. */
static void test_same_digest(void **state)
{
	struct digest whole;

	(void)state;
	serve(MIB + 4096, 0, 3 * SAMPLE_BLOCK, SIZE_MAX);
	whole = s.digest;
	serve(MIB + 4096, 4096, 3 * SAMPLE_BLOCK, SIZE_MAX);
	assert_int_equal(n_reads, 33);
	assert_true(digest_equal(&whole, &s.digest));
	/* A maximum that is no multiple of the minimum. */
	aligned = 512;
	serve(MIB + 4096, 777, 3 * SAMPLE_BLOCK, SIZE_MAX);
	aligned = 0;
	assert_true(digest_equal(&whole, &s.digest));
	serve(MIB + 4096, 0, 3 * SAMPLE_BLOCK, 1);
	assert_true(digest_equal(&whole, &s.digest));
	serve(MIB + 4096, UINT32_MAX, 3 * SAMPLE_BLOCK, 7);
	assert_true(digest_equal(&whole, &s.digest));
}

static void test_other_digest(void **state)
{
	const uint64_t places[] = {0, SAMPLE_BLOCK - 1, MIB, MIB + 4095};
	struct digest whole;

	(void)state;
	serve(MIB + 4096, 0, 3 * SAMPLE_BLOCK, SIZE_MAX);
	whole = s.digest;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		odd = places[i];
		serve(MIB + 4096, 0, 3 * SAMPLE_BLOCK, SIZE_MAX);
		assert_false(digest_equal(&whole, &s.digest));
	}
	odd = SAMPLE_BLOCK; /* this byte is not in the sample */
	serve(MIB + 4096, 0, 3 * SAMPLE_BLOCK, SIZE_MAX);
	assert_true(digest_equal(&whole, &s.digest));
}

/* A read into a buffer, also in requests that are smaller. */
static void test_read(void **state)
{
	static uint8_t data[8192], want[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = content(MIB + i);
	for (uint32_t max = 0; max <= 4096; max += 4096) {
		memset(data, 0, sizeof(data));
		sample_init_read(&s, MIB, sizeof(data), max, data);
		serve_all(2 * MIB, max, SIZE_MAX);
		assert_int_equal(n_reads, max ? 2 : 1);
		assert_int_equal(reads[0].offset, MIB);
		assert_memory_equal(data, want, sizeof(data));
	}
}

static void test_bad_replies(void **state)
{
	static const struct {
		uint32_t magic, error;
		uint64_t cookie_off;
		enum sample_status status;
	} bad[] = {
	    {NBD_SIMPLE_MAGIC ^ 1, 0, 0, SAMPLE_BAD}, {0x668e33ef, 0, 0, SAMPLE_BAD},
	    {NBD_SIMPLE_MAGIC, 0, 1, SAMPLE_BAD},     {NBD_SIMPLE_MAGIC, 5, 1, SAMPLE_BAD},
	    {NBD_SIMPLE_MAGIC, 5, 0, SAMPLE_REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct read r;
		uint64_t cookie;

		sample_init(&s, MIB, 0, SAMPLE_DEFAULT);
		take_request(SIZE_MAX, &r, &cookie);
		reply(bad[i].magic, bad[i].error, cookie + bad[i].cookie_off);
		assert_int_equal(s.status, bad[i].status);
	}
	assert_int_equal(s.error, 5);
}

/* The vectors of draft-eastlake-fnv. */
static void test_digest(void **state)
{
	static const struct {
		const char *bytes, *digest;
	} known[] = {
	    {"", "6c62272e07bb014262b821756295c58d"},
	    {"a", "d228cb696f1a8caf78912b704e4a8964"},
	    {"foobar", "343e1662793c64bf6f0d3597ba446f18"},
	};
	char text[DIGEST_TEXT_MAX];
	struct digest d, parsed = {1, 2};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		digest_init(&d);
		digest_add(&d, known[i].bytes, strlen(known[i].bytes));
		assert_string_equal(digest_text(&d, text), known[i].digest);
		assert_true(digest_parse(text, &parsed));
		assert_true(digest_equal(&d, &parsed));
	}
	assert_false(digest_parse("", &parsed));
	assert_false(digest_parse("6c62272e07bb014262b821756295c58", &parsed));
	assert_false(digest_parse("6c62272e07bb014262b821756295c58d0", &parsed));
	assert_false(digest_parse("6c62272e07bb014262b821756295c5xd", &parsed));
	assert_true(digest_equal(&d, &parsed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_spread, setup),
	    cmocka_unit_test_setup(test_small, setup),
	    cmocka_unit_test_setup(test_same_digest, setup),
	    cmocka_unit_test_setup(test_other_digest, setup),
	    cmocka_unit_test_setup(test_read, setup),
	    cmocka_unit_test_setup(test_bad_replies, setup),
	    cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
