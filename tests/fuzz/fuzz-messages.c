/* SPDX-License-Identifier: MIT */
/*
 * Any packet as a message of another supervisor; the first byte is the number of descriptors that
 * come with it. What must hold: what is understood is the same when it is written and read again.
 */
#include "fuzz.h"
#include "supervise/succession/messages.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[MESSAGES_MAX];
	enum message_type type;
	struct offer offer;

	if (size == 0 || messages_read(data + 1, size - 1, data[0], &type, &offer) < 0)
		return 0;
	require(messages_write(type, type == MESSAGE_OFFER ? &offer : NULL, again) == size - 1);
	require(memcmp(again, data + 1, size - 1) == 0);
	return 0;
}
