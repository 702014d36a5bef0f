/* SPDX-License-Identifier: MIT */
/*
 * Each format is known by its magic number at one place, and by a second sign where the format has
 * one: what is left of an earlier format must not count.
 */
#include "nbd/disk.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"

#define BTRFS_AT   UINT64_C(65536) /* of its first superblock */
#define MD_ALIGNED UINT64_C(65536) /* version 0.90: the last of these units */
#define MD_MAGIC   0xa92b4efcu

#define UUID_LEN 16

static uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static uint64_t get_le64(const uint8_t *p)
{
	return (uint64_t)get_le32(p + 4) << 32 | get_le32(p);
}

/* --- identifiers as text -----------------------------------------------------------------------
 */

struct writer {
	char *to;
	size_t len;
};

static void put_char(struct writer *w, char c)
{
	if (w->len + 1 < IDS_ONE_MAX)
		w->to[w->len++] = c;
}

static void put_byte(struct writer *w, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	put_char(w, digits[byte >> 4]);
	put_char(w, digits[byte & 15]);
}

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* The place for one; to NULL: it has one already. The rest of the place is zero. */
static struct writer writer_for(struct ids *ids, enum ids_kind kind)
{
	return (struct writer){.to = ids->id[kind][0] ? NULL : ids->id[kind]};
}

static void add_uuid(struct ids *ids, enum ids_kind kind, const uint8_t uuid[static UUID_LEN])
{
	struct writer w = writer_for(ids, kind);

	if (!w.to || is_zero(uuid, UUID_LEN))
		return;
	for (size_t i = 0; i < UUID_LEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			put_char(&w, '-');
		put_byte(&w, uuid[i]);
	}
}

/* The first three fields are little-endian numbers. */
static void add_guid(struct ids *ids, enum ids_kind kind, const uint8_t *guid)
{
	static const uint8_t order[UUID_LEN] = {3, 2, 1,  0,  5,  4,  7,  6,
						8, 9, 10, 11, 12, 13, 14, 15};
	uint8_t uuid[UUID_LEN];

	for (size_t i = 0; i < UUID_LEN; i++)
		uuid[i] = guid[order[i]];
	add_uuid(ids, kind, uuid);
}

/* A number of four little-endian bytes. */
static void add_number(struct ids *ids, enum ids_kind kind, const uint8_t *p)
{
	struct writer w = writer_for(ids, kind);

	if (!w.to || is_zero(p, 4))
		return;
	for (int i = 3; i >= 0; i--)
		put_byte(&w, p[i]);
}

/* Text of the disk: letters and digits only, so that it is safe to show. */
static bool is_name(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'z') ||
		      (p[i] >= 'A' && p[i] <= 'Z') || p[i] == '-'))
			return false;
	return len > 0;
}

static void add_name(struct ids *ids, enum ids_kind kind, const uint8_t *p, size_t len)
{
	struct writer w = writer_for(ids, kind);

	if (!w.to || !is_name(p, len))
		return;
	for (size_t i = 0; i < len; i++)
		put_char(&w, (char)p[i]);
}

static bool has(const uint8_t *p, const char *magic)
{
	return memcmp(p, magic, strlen(magic)) == 0;
}

/* --- formats -----------------------------------------------------------------------------------
 */

/* UEFI specification, section 5.3.2. */
static void look_gpt(const uint8_t *header, struct ids *ids)
{
	if (has(header, "EFI PART") && get_le64(header + 24) == 1)
		add_guid(ids, IDS_GPT, header + 56);
}

/* FAT has the same signature at the end, and code where the other one has its number. */
static bool look_fat(const uint8_t *p, struct ids *ids)
{
	bool jumps = p[0] == 0xeb || p[0] == 0xe9;

	if (jumps && (has(p + 54, "FAT12   ") || has(p + 54, "FAT16   ")))
		add_number(ids, IDS_FAT, p + 39);
	else if (jumps && has(p + 82, "FAT32   "))
		add_number(ids, IDS_FAT, p + 67);
	else
		return false;
	return true;
}

static void look_mbr(const uint8_t *p, struct ids *ids)
{
	bool used = false;

	if (p[510] != 0x55 || p[511] != 0xaa || look_fat(p, ids))
		return;
	for (size_t i = 0; i < 4; i++) {
		const uint8_t *entry = p + 446 + 16 * i;

		if (entry[0] & 0x7f)
			return;
		used = used || entry[4];
	}
	if (used)
		add_number(ids, IDS_MBR, p + 440);
}

/* cryptsetup's on-disk formats: LUKS1 and LUKS2 agree in this. A NUL ends the text. */
static void look_luks(const uint8_t *p, struct ids *ids)
{
	const uint8_t *uuid = p + 168;
	size_t len = 0;

	if (!has(p, "LUKS\xba\xbe"))
		return;
	while (len < IDS_ONE_MAX - 1 && uuid[len])
		len++;
	add_name(ids, IDS_LUKS, uuid, len);
}

/* The label is in one of the first four sectors (LVM2, lib/format_text/layout.h). */
static void look_lvm(const uint8_t *p, struct ids *ids)
{
	for (uint32_t sector = 0; sector < 4; sector++) {
		const uint8_t *label = p + (size_t)sector * DISK_SECTOR;
		uint32_t offset = get_le32(label + 20);

		if (has(label, "LABELONE") && get_le64(label + 8) == sector &&
		    has(label + 24, "LVM2 001") && offset <= DISK_SECTOR - 32)
			add_name(ids, IDS_LVM, label + offset, 32);
	}
}

static void look_extended(const uint8_t *super, struct ids *ids)
{
	if (super[56] == 0x53 && super[57] == 0xef)
		add_uuid(ids, IDS_EXT, super + 104);
	if (get_le32(super) == 0xf2f52010)
		add_uuid(ids, IDS_F2FS, super + 108);
}

/* Version 1: it says itself at which sector it is. The versions differ in that. */
static void look_md_1(uint64_t at, const uint8_t *p, struct ids *ids)
{
	if (get_le32(p) == MD_MAGIC && get_le32(p + 4) == 1 &&
	    get_le64(p + 144) == at / DISK_SECTOR)
		add_uuid(ids, IDS_MD, p + 16);
}

/* Version 0.90 has the byte order of the machine that made it. */
static void look_md_0(const uint8_t *p, struct ids *ids)
{
	uint8_t uuid[UUID_LEN];

	if ((get_le32(p) != MD_MAGIC && get_be32(p) != MD_MAGIC) || get_le32(p + 4) != 0)
		return;
	memcpy(uuid, p + 20, 4);
	memcpy(uuid + 4, p + 52, 12);
	add_uuid(ids, IDS_MD, uuid);
}

static void look_first(const uint8_t *p, struct ids *ids)
{
	look_mbr(p, ids);
	look_gpt(p + DISK_SECTOR, ids);
	look_luks(p, ids);
	look_lvm(p, ids);
	look_extended(p + 1024, ids);
	if (has(p, "XFSB"))
		add_uuid(ids, IDS_XFS, p + 32);
	if (has(p + DISK_PAGE - 10, "SWAPSPACE2"))
		add_uuid(ids, IDS_SWAP, p + 1036);
}

size_t disk_places(uint64_t size, uint64_t ret_at[static DISK_PLACES])
{
	/* The last two: md with its superblock at the end. */
	uint64_t at[] = {0, DISK_PAGE, BTRFS_AT, 0, 0};
	size_t n = 0;

	if (size >= 2 * MD_ALIGNED) {
		at[3] = size / MD_ALIGNED * MD_ALIGNED - MD_ALIGNED;
		at[4] = (size / DISK_SECTOR - 16) / 8 * 8 * DISK_SECTOR;
	}
	for (size_t i = 0; i < DISK_PLACES; i++)
		if (at[i] + DISK_PAGE <= size && (i == 0 || at[i] > ret_at[n - 1]))
			ret_at[n++] = at[i];
	return n;
}

void disk_look(uint64_t at, const uint8_t page[static DISK_PAGE], struct ids *ids)
{
	if (at == 0)
		look_first(page, ids);
	if (at == DISK_PAGE)
		look_gpt(page, ids);
	if (at == BTRFS_AT && has(page + 64, "_BHRfS_M") && get_le64(page + 48) == BTRFS_AT)
		add_uuid(ids, IDS_BTRFS, page + 32);
	look_md_1(at, page, ids);
	if (at % MD_ALIGNED == 0)
		look_md_0(page, ids);
}
