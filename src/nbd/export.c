/* SPDX-License-Identifier: MIT */
#include "nbd/export.h"

#include "base/text.h"

bool nbd_string_valid(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i, n;

	if (len > NBD_STRING_MAX)
		return false;
	for (i = 0; i < len; i += n) {
		n = utf8_length(p + i, len - i);
		if (!n || !p[i])
			return false;
	}
	return true;
}

static bool power_of_two(uint32_t v)
{
	return v && !(v & (v - 1));
}

bool nbd_block_limits_valid(uint32_t min, uint32_t max)
{
	return power_of_two(min) && min <= 65536 && max >= min && max >= 512;
}

bool nbd_preferred_block_valid(uint32_t min, uint32_t pref, uint32_t max)
{
	return power_of_two(pref) && pref >= min && pref >= 512 && pref <= max;
}

static bool block_sizes_valid(const struct nbd_export *e)
{
	if (!e->min_block)
		return !e->pref_block && !e->max_block;
	return nbd_block_limits_valid(e->min_block, e->max_block) &&
	       (!e->pref_block ||
		nbd_preferred_block_valid(e->min_block, e->pref_block, e->max_block));
}

static bool field_valid(const char field[NBD_STRING_MAX + 1])
{
	for (size_t i = 0; i <= NBD_STRING_MAX; i++)
		if (!field[i])
			return nbd_string_valid(field, i);
	return false;
}

bool nbd_export_valid(const struct nbd_export *e)
{
	if (e->size > INT64_MAX || e->flags & ~NBD_TX_KNOWN)
		return false;
	if (e->flags & ~NBD_TX_UNMARKED && !(e->flags & NBD_TX_HAS_FLAGS))
		return false;
	if (!block_sizes_valid(e))
		return false;
	if ((unsigned int)e->style > NBD_STYLE_FIXED_NEW)
		return false;
	return field_valid(e->name) && field_valid(e->description);
}

bool nbd_export_equal(const struct nbd_export *a, const struct nbd_export *b)
{
	return a->size == b->size && a->flags == b->flags && a->min_block == b->min_block &&
	       a->pref_block == b->pref_block && a->max_block == b->max_block;
}

const struct nbd_flag_name nbd_flag_names[] = {
    {NBD_TX_READ_ONLY, "read-only"},
    {NBD_TX_SEND_FLUSH, "flush"},
    {NBD_TX_SEND_FUA, "fua"},
    {NBD_TX_ROTATIONAL, "rotational"},
    {NBD_TX_SEND_TRIM, "trim"},
    {NBD_TX_SEND_WRITE_ZEROES, "write-zeroes"},
    {NBD_TX_SEND_DF, "df"},
    {NBD_TX_CAN_MULTI_CONN, "multi-conn"},
    {NBD_TX_SEND_RESIZE, "resize"},
    {NBD_TX_SEND_CACHE, "cache"},
    {NBD_TX_SEND_FAST_ZERO, "fast-zero"},
    {NBD_TX_BLOCK_STATUS_PAYLOAD, "block-status-payload"},
};
const size_t nbd_flag_names_count = sizeof(nbd_flag_names) / sizeof(nbd_flag_names[0]);

uint32_t nbd_export_payload(const struct nbd_export *e)
{
	return e->max_block && e->max_block < NBD_PAYLOAD_DEFAULT ? e->max_block
								  : NBD_PAYLOAD_DEFAULT;
}
