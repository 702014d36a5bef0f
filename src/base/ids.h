/* SPDX-License-Identifier: MIT */
/*
 * The identifiers on a disk: those of its partition table, its file system, and of what LVM, LUKS
 * and md keep there. Two disks with different ones are different disks, although a server offers
 * both by one name. nbd/disk.h finds them. Pure.
 */
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include <stdbool.h>
#include <stddef.h>

/* One item a line, each with its name in texts. */
/* clang-format off */
#define IDS_LIST(X) \
	X(GPT, "gpt")     /* the GUID of a partition table */ \
	X(MBR, "mbr")     /* the signature of one */ \
	X(EXT, "ext")     /* ext2, ext3 and ext4 */ \
	X(XFS, "xfs") \
	X(BTRFS, "btrfs") \
	X(F2FS, "f2fs") \
	X(FAT, "fat")     /* the serial number of FAT12, FAT16 and FAT32 */ \
	X(SWAP, "swap") \
	X(LVM, "lvm")     /* of the physical volume */ \
	X(LUKS, "luks") \
	X(MD, "md")       /* of the array */

#define IDS_ITEM(item, name) IDS_##item,
/* clang-format on */

enum ids_kind { IDS_LIST(IDS_ITEM) IDS_KINDS };

/* In the place of the size of a sample of the content, in bytes: the identifiers are read. */
#define IDS_SAMPLE 1

#define IDS_ONE_MAX  40	 /* bytes with the NUL, of one identifier */
#define IDS_TEXT_MAX 640 /* of all of them as a text */

struct ids {
	char id[IDS_KINDS][IDS_ONE_MAX]; /* ASCII letters, digits, '-'; "": there is none */
};

/* What another process gave: each is terminated and has only the characters above. */
bool ids_valid(const struct ids *ids);

/*
 * True if `now` is another disk than the one with `known`: it lacks one of the identifiers, or has
 * another one in its place. An identifier that only `now` has is not compared.
 */
bool ids_differ(const struct ids *known, const struct ids *now);

/* "gpt:... ext:...", or "none". Returns buf. */
char *ids_text(const struct ids *ids, char buf[static IDS_TEXT_MAX]);

/*
 * Those that differ, each as `now` and as `known` has it: "ext NOW instead of KNOWN". Returns buf,
 * shortened if need be.
 */
char *ids_difference(const struct ids *known, const struct ids *now, char *buf, size_t size);

/* Reads the form of ids_text(). False: it is something else. */
bool ids_parse(const char *text, struct ids *ret_ids);

#endif
