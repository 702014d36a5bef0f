/* SPDX-License-Identifier: MIT */
#include "supervise/succession/messages.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/bytes.h"

/*
 * Header: magic (4 bytes), version (2), type (2), length of the packet (4), descriptors (2), zero
 * (2). Offer: index (4), flags of the offer (2), NBD_TX_* (2), attachment (8), size (8), then for
 * each descriptor the length of its name (1) and the name.
 */
#define MAGIC	   0x4e424467u /* "NBDg"; an answer in text begins with a digit */
#define HEADER_LEN 16
#define OFFER_LEN  24
#define SUSPECTS   1u /* a flag of the offer */

bool messages_is_one(const uint8_t *packet, size_t len)
{
	return len >= HEADER_LEN && get_be32(packet) == MAGIC;
}

static size_t write_offer(const struct offer *o, uint8_t *p)
{
	uint8_t *start = p;

	put_be32(p, (uint32_t)o->index);
	put_be16(p + 4, o->suspects ? SUSPECTS : 0);
	put_be16(p + 6, o->flags);
	put_be64(p + 8, o->attachment);
	put_be64(p + 16, o->size);
	p += OFFER_LEN;
	for (size_t i = 0; i < o->n; i++) {
		size_t len = strlen(o->name[i]);

		*p++ = (uint8_t)len;
		memcpy(p, o->name[i], len);
		p += len;
	}
	return (size_t)(p - start);
}

size_t messages_write(enum message_type type, const struct offer *offer, uint8_t *packet)
{
	size_t len = HEADER_LEN;

	if (offer)
		len += write_offer(offer, packet + HEADER_LEN);
	put_be32(packet, MAGIC);
	put_be16(packet + 4, MESSAGES_VERSION);
	put_be16(packet + 6, type);
	put_be32(packet + 8, (uint32_t)len);
	put_be16(packet + 12, offer ? (uint16_t)offer->n : 0);
	put_be16(packet + 14, 0);
	return len;
}

static bool is_name(const uint8_t *name, size_t len)
{
	if (len == 0 || len >= MESSAGES_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
		    name[i] != '-')
			return false;
	return true;
}

static bool read_names(const uint8_t *p, size_t len, struct offer *o)
{
	for (size_t i = 0; i < o->n; i++) {
		size_t name = len ? *p : 0;

		if (len < 1 + name || !is_name(p + 1, name))
			return false;
		memcpy(o->name[i], p + 1, name);
		o->name[i][name] = '\0';
		p += 1 + name;
		len -= 1 + name;
	}
	return len == 0;
}

static int read_offer(const uint8_t *p, size_t len, size_t n, struct offer *ret_offer)
{
	struct offer o = {.n = n};

	if (len < OFFER_LEN || n > MESSAGES_FDS_MAX || get_be32(p) > INT_MAX ||
	    get_be16(p + 4) & ~SUSPECTS)
		return -EBADMSG;
	o.index = (int)get_be32(p);
	o.suspects = get_be16(p + 4) & SUSPECTS;
	o.flags = get_be16(p + 6);
	o.attachment = get_be64(p + 8);
	o.size = get_be64(p + 16);
	if (!read_names(p + OFFER_LEN, len - OFFER_LEN, &o))
		return -EBADMSG;
	*ret_offer = o;
	return 0;
}

int messages_read(const uint8_t *packet, size_t len, size_t n_fds, enum message_type *ret_type,
		  struct offer *ret_offer)
{
	uint16_t type;
	int ret = 0;

	if (!messages_is_one(packet, len))
		return -EBADMSG;
	if (get_be16(packet + 4) != MESSAGES_VERSION)
		return -EPROTONOSUPPORT;
	type = get_be16(packet + 6);
	if (get_be32(packet + 8) != len || len > MESSAGES_MAX || get_be16(packet + 12) != n_fds ||
	    get_be16(packet + 14) != 0)
		return -EBADMSG;
	if (type == MESSAGE_OFFER)
		ret = read_offer(packet + HEADER_LEN, len - HEADER_LEN, n_fds, ret_offer);
	else if ((type != MESSAGE_READY && type != MESSAGE_COMMIT) || len != HEADER_LEN || n_fds)
		ret = -EBADMSG;
	if (ret == 0)
		*ret_type = (enum message_type)type;
	return ret;
}
