/* SPDX-License-Identifier: MIT */
/* Parses a server's data about exports: NBD_REP_INFO and NBD_REP_SERVER. */
#include "nbd/nego-private.h"

#include <string.h>

#include "base/bytes.h"

bool nego_set_export(struct nego *n, uint64_t size, uint16_t flags)
{
	if (size > INT64_MAX) {
		nego_violation_at(n, "an export of the impossible size ", size);
		return false;
	}
	n->export.size = size;
	n->export.flags = flags & (flags & NBD_TX_HAS_FLAGS ? NBD_TX_KNOWN : NBD_TX_UNMARKED);
	return true;
}

/* Stores a server's string, escaped if it is not one of proto.md. */
static void set_string(char dst[NBD_STRING_MAX + 1], const uint8_t *bytes, size_t len)
{
	struct text t;

	if (nbd_string_valid((const char *)bytes, len)) {
		memcpy(dst, bytes, len);
		dst[len] = '\0';
	} else {
		text_init(&t, dst, NBD_STRING_MAX + 1);
		text_escape(&t, bytes, len, len);
	}
}

/* After a second description it is unknown which disk this is; proto.md allows one. */
static void info_export(struct nego *n, const uint8_t *p)
{
	if (n->has_export)
		nego_violation(n, "two descriptions of one export");
	else
		n->has_export = nego_set_export(n, get_be64(p), get_be16(p + 8));
}

/*
 * The kernel gets the limits, and a client that asks for them MUST keep to them. The preferred size
 * is advice to a client that can follow it, which the kernel cannot: an impossible one is not a
 * reason to refuse a server. libnbd ignores it, too, and qemu refuses only some of them.
 */
static void info_block_size(struct nego *n, const uint8_t *p)
{
	uint32_t min = get_be32(p), pref = get_be32(p + 4), max = get_be32(p + 8);
	const struct nbd_export *e = &n->export;
	struct text t;

	if (!nbd_preferred_block_valid(min, pref, max))
		pref = 0;
	if (!nbd_block_limits_valid(min, max)) {
		nego_fail(n, ERR_PERMANENT, &t);
		text_str(&t, "the server broke the NBD protocol: impossible limits of requests, "
			     "smallest block ");
		text_u64(&t, min);
		text_str(&t, ", largest payload ");
		text_u64(&t, max);
	} else if (e->min_block &&
		   (e->min_block != min || e->pref_block != pref || e->max_block != max)) {
		nego_violation(n, "two sets of block sizes for one export");
	} else {
		n->export.min_block = min;
		n->export.pref_block = pref;
		n->export.max_block = max;
	}
}

void nego_info(struct nego *n)
{
	uint16_t type = get_be16(n->buf);
	const uint8_t *p = n->buf + 2;
	uint32_t len = n->want - 2;
	uint64_t expected = len;

	if (++n->infos > NEGO_INFOS_MAX) {
		nego_violation(n, "more than 64 pieces of information about one export");
		return;
	}
	if (type == NBD_INFO_EXPORT)
		expected = NBD_INFO_EXPORT_LEN - 2;
	else if (type == NBD_INFO_BLOCK_SIZE)
		expected = NBD_INFO_BLOCK_SIZE_LEN - 2;
	else if ((type == NBD_INFO_NAME || type == NBD_INFO_DESCRIPTION) && len > NBD_STRING_MAX)
		expected = NBD_STRING_MAX;
	if (len != expected) {
		nego_violation_at(n, "information about the export with the impossible length ",
				  n->want);
		return;
	}

	if (type == NBD_INFO_EXPORT)
		info_export(n, p);
	else if (type == NBD_INFO_BLOCK_SIZE)
		info_block_size(n, p);
	else if (type == NBD_INFO_NAME)
		set_string(n->export.name, p, len);
	else if (type == NBD_INFO_DESCRIPTION)
		set_string(n->export.description, p, len);
	/* Others are not for us: proto.md has clients ignore them. */
}

void nego_server(struct nego *n)
{
	uint32_t name_len = get_be32(n->buf);
	uint32_t rest = n->want - 4;

	if (name_len > rest || name_len > NBD_STRING_MAX || rest - name_len > NBD_STRING_MAX) {
		nego_violation_at(n, "a listed export with a name of the impossible length ",
				  name_len);
	} else if (++n->listed > NEGO_LISTED_MAX) {
		nego_violation(n, "a list of more than 10000 exports");
	} else {
		set_string(n->export.name, n->buf + 4, name_len);
		set_string(n->export.description, n->buf + 4 + name_len, rest - name_len);
		n->status = NEGO_LISTED;
	}
}
