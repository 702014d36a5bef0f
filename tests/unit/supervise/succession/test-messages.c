/* SPDX-License-Identifier: MIT */
/* supervise/succession/messages.c: what one supervisor writes, the other reads, and nothing else.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "supervise/succession/messages.h"

static const struct offer offer = {
    .index = 7,
    .attachment = 0x123456789abcdef0,
    .size = UINT64_C(1) << 40,
    .flags = 0x105,
    .suspects = true,
    .n = 2,
    .name = {"lock-device", "link-77-1"},
};

static void an_offer_is_read_as_it_was_written(void **unused)
{
	uint8_t packet[MESSAGES_MAX];
	size_t len = messages_write(MESSAGE_OFFER, &offer, packet);
	enum message_type type;
	struct offer back;

	(void)unused;
	assert_true(messages_is_one(packet, len));
	assert_int_equal(messages_read(packet, len, 2, &type, &back), 0);
	assert_int_equal(type, MESSAGE_OFFER);
	assert_int_equal(back.index, offer.index);
	assert_true(back.attachment == offer.attachment && back.size == offer.size);
	assert_true(back.flags == offer.flags && back.suspects);
	assert_int_equal(back.n, 2);
	assert_string_equal(back.name[0], "lock-device");
	assert_string_equal(back.name[1], "link-77-1");
}

static void the_largest_offer_has_room(void **unused)
{
	uint8_t packet[MESSAGES_MAX];
	struct offer most = {.n = MESSAGES_FDS_MAX}, back;
	enum message_type type;
	size_t len;

	(void)unused;
	for (size_t i = 0; i < most.n; i++)
		memset(most.name[i], 'x', MESSAGES_NAME_MAX - 1);
	len = messages_write(MESSAGE_OFFER, &most, packet);
	assert_int_equal(messages_read(packet, len, most.n, &type, &back), 0);
	assert_int_equal(back.n, most.n);
}

static void the_words_are_read(void **unused)
{
	static const enum message_type words[] = {MESSAGE_READY, MESSAGE_COMMIT};
	uint8_t packet[MESSAGES_MAX];
	enum message_type type;
	struct offer back;

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		size_t len = messages_write(words[i], NULL, packet);

		assert_int_equal(messages_read(packet, len, 0, &type, &back), 0);
		assert_int_equal(type, words[i]);
		assert_int_equal(messages_read(packet, len, 1, &type, &back), -EBADMSG);
	}
}

static void another_version_is_refused(void **unused)
{
	uint8_t packet[MESSAGES_MAX];
	size_t len = messages_write(MESSAGE_READY, NULL, packet);
	enum message_type type;
	struct offer back;

	(void)unused;
	packet[5]++;
	assert_int_equal(messages_read(packet, len, 0, &type, &back), -EPROTONOSUPPORT);
}

/* A descriptor that has no name, a name without its descriptor, or bytes that mean nothing. */
static void what_does_not_fit_is_refused(void **unused)
{
	uint8_t packet[MESSAGES_MAX + 1];
	size_t len = messages_write(MESSAGE_OFFER, &offer, packet);
	enum message_type type;
	struct offer back;

	(void)unused;
	assert_int_equal(messages_read(packet, len, 1, &type, &back), -EBADMSG);
	assert_int_equal(messages_read(packet, len, 3, &type, &back), -EBADMSG);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(messages_read(packet, cut, 2, &type, &back), -EBADMSG);
	packet[len] = 0;
	assert_int_equal(messages_read(packet, len + 1, 2, &type, &back), -EBADMSG);
	packet[16 + 5] |= 2; /* a flag that is not known */
	assert_int_equal(messages_read(packet, len, 2, &type, &back), -EBADMSG);
	packet[16 + 5] &= (uint8_t)~2;
	packet[16 + 24 + 1] = '/'; /* a name that is none */
	assert_int_equal(messages_read(packet, len, 2, &type, &back), -EBADMSG);
	assert_false(messages_is_one((const uint8_t *)"3 busy with this device", 23));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_offer_is_read_as_it_was_written),
	    cmocka_unit_test(the_largest_offer_has_room),
	    cmocka_unit_test(the_words_are_read),
	    cmocka_unit_test(another_version_is_refused),
	    cmocka_unit_test(what_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
