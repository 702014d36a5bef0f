/* SPDX-License-Identifier: MIT */
/* nbd/disk.c: the identifiers of each format, at the places where it has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "nbd/disk.h"

#define MIB (UINT64_C(1) << 20)

#define UUID  "00112233-4455-6677-8899-aabbccddeeff"
#define BYTES "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
#define NAME  "ABCDEFGHabcdefgh0123456789ABCDEF"

struct piece {
	uint64_t at;
	const char *bytes;
	size_t len;
};

#define PIECE(at, bytes)                     \
	{                                    \
		at, bytes, sizeof(bytes) - 1 \
	}

#define PIECES_MAX 6

static const struct format {
	const char *says; /* ids_text() */
	struct piece piece[PIECES_MAX];
	uint64_t size; /* of the disk; 0: a MiB */
} formats[] = {
    {"none", {PIECE(0, "\0")}, 0},
    {"ext:" UUID, {PIECE(1080, "\x53\xef"), PIECE(1128, BYTES)}, 0},
    {"f2fs:" UUID, {PIECE(1024, "\x10\x20\xf5\xf2"), PIECE(1132, BYTES)}, 0},
    {"xfs:" UUID, {PIECE(0, "XFSB"), PIECE(32, BYTES)}, 0},
    {"btrfs:" UUID,
     {PIECE(65600, "_BHRfS_M"), PIECE(65568, BYTES), PIECE(65584, "\0\0\1\0\0\0\0\0")},
     0},
    {"none", {PIECE(65600, "_BHRfS_M"), PIECE(65568, BYTES), PIECE(65584, "\0\0\2")}, 0},
    {"swap:" UUID, {PIECE(4086, "SWAPSPACE2"), PIECE(1036, BYTES)}, 0},
    {"luks:" UUID, {PIECE(0, "LUKS\xba\xbe"), PIECE(168, UUID)}, 0},
    {"none", {PIECE(0, "LUKS\xba\xbe"), PIECE(168, "a\x1b[31m")}, 0},
    {"lvm:" NAME,
     {PIECE(512, "LABELONE\1\0\0\0\0\0\0\0"), PIECE(532, "\x20"), PIECE(536, "LVM2 001" NAME)},
     0},
    /* The label of another sector, which was copied here. */
    {"none",
     {PIECE(512, "LABELONE\2\0\0\0\0\0\0\0"), PIECE(532, "\x20"), PIECE(536, "LVM2 001" NAME)},
     0},
    {"none", {PIECE(512, "LABELONE\1"), PIECE(532, "\xff\xff\xff\xff"), PIECE(536, "LVM2 001")}, 0},
    {"gpt:33221100-5544-7766-8899-aabbccddeeff",
     {PIECE(512, "EFI PART"), PIECE(536, "\1"), PIECE(568, BYTES)},
     0},
    {"gpt:33221100-5544-7766-8899-aabbccddeeff",
     {PIECE(4096, "EFI PART"), PIECE(4120, "\1"), PIECE(4152, BYTES)},
     0},
    {"mbr:78563412",
     {PIECE(440, "\x12\x34\x56\x78"), PIECE(450, "\x83"), PIECE(510, "\x55\xaa")},
     0},
    /* No partition, and what looks like one in a file system's code. */
    {"none", {PIECE(440, "\x12\x34\x56\x78"), PIECE(510, "\x55\xaa")}, 0},
    {"none",
     {PIECE(440, "\x12\x34\x56\x78"), PIECE(446, "\x31"), PIECE(450, "\x83"),
      PIECE(510, "\x55\xaa")},
     0},
    {"fat:abcd1234",
     {PIECE(0, "\xeb\x58\x90"), PIECE(82, "FAT32   "), PIECE(67, "\x34\x12\xcd\xab"),
      PIECE(440, "\x12\x34\x56\x78"), PIECE(450, "\x83"), PIECE(510, "\x55\xaa")},
     0},
    {"fat:abcd1234",
     {PIECE(0, "\xeb\x3c\x90"), PIECE(54, "FAT16   "), PIECE(39, "\x34\x12\xcd\xab"),
      PIECE(510, "\x55\xaa")},
     0},
    {"md:" UUID, {PIECE(0, "\xfc\x4e\x2b\xa9\1"), PIECE(16, BYTES)}, 0},
    {"md:" UUID, {PIECE(4096, "\xfc\x4e\x2b\xa9\1"), PIECE(4112, BYTES), PIECE(4240, "\x08")}, 0},
    /* Version 1.0, in a disk with an odd end. */
    {"md:" UUID,
     {PIECE(MIB - 8192, "\xfc\x4e\x2b\xa9\1"), PIECE(MIB - 8176, BYTES),
      PIECE(MIB - 8048, "\xf0\x07")},
     MIB + 512},
    /* The same bytes where another version would be. */
    {"none", {PIECE(4096, "\xfc\x4e\x2b\xa9\1"), PIECE(4112, BYTES), PIECE(4240, "\x10")}, 0},
    {"md:" UUID,
     {PIECE(MIB - 65536, "\xfc\x4e\x2b\xa9"), PIECE(MIB - 65516, "\x00\x11\x22\x33"),
      PIECE(MIB - 65484, "\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")},
     MIB + 512},
    {"md:" UUID,
     {PIECE(MIB - 65536, "\xa9\x2b\x4e\xfc"), PIECE(MIB - 65516, "\x00\x11\x22\x33"),
      PIECE(MIB - 65484, "\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")},
     0},
    /* An identifier of zeroes is none. */
    {"none", {PIECE(1080, "\x53\xef")}, 0},
    {"none", {PIECE(4086, "SWAPSPACE2")}, 0},
};

static uint8_t disk[2 * MIB];

static void test_formats(void **state)
{
	char text[IDS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		const struct format *f = &formats[i];
		uint64_t at[DISK_PLACES], size = f->size ? f->size : MIB;
		struct ids ids = {0};
		size_t n = disk_places(size, at);

		memset(disk, 0, sizeof(disk));
		for (size_t k = 0; k < PIECES_MAX; k++)
			memcpy(disk + f->piece[k].at, f->piece[k].bytes ? f->piece[k].bytes : "",
			       f->piece[k].len);
		for (size_t k = 0; k < n; k++)
			disk_look(at[k], disk + at[k], &ids);
		assert_true(ids_valid(&ids));
		if (strcmp(ids_text(&ids, text), f->says) != 0)
			fail_msg("format %zu: %s, not %s", i, text, f->says);
	}
}

/* Every place is on the disk, in order, and none is named twice. */
static void test_places(void **state)
{
	(void)state;
	for (uint64_t size = 0; size < MIB; size += 512) {
		uint64_t at[DISK_PLACES];
		size_t n = disk_places(size, at);

		assert_int_equal(n == 0, size < DISK_PAGE);
		for (size_t i = 0; i < n; i++) {
			assert_true(at[i] + DISK_PAGE <= size);
			assert_int_equal(at[i] % DISK_PAGE, 0);
			assert_true(i == 0 || at[i] > at[i - 1]);
		}
	}
	assert_int_equal(disk_places(INT64_MAX, (uint64_t[DISK_PLACES]){0}), DISK_PLACES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_formats),
	    cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
