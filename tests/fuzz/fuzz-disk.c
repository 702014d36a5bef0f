/* SPDX-License-Identifier: MIT */
/*
 * The pages of any disk, and any text of identifiers. A byte in front chooses the place of the page
 * that follows, or the text. Invariants: what is found is safe to show and survives its text; the
 * place of the page decides, and nothing beyond the page is read.
 */
#include "fuzz.h"
#include "nbd/disk.h"

static void check(const struct ids *ids)
{
	char text[IDS_TEXT_MAX], what[64];
	struct ids again, none = {0};

	require(ids_valid(ids));
	require(!ids_differ(ids, ids) && !ids_differ(&none, ids));
	require(ids_differ(ids, &none) == (strcmp(ids_text(ids, text), "none") != 0));
	require(fuzz_text_printable(text, sizeof(text)));
	require(ids_parse(text, &again) && memcmp(&again, ids, sizeof(again)) == 0);
	ids_difference(ids, &none, what, sizeof(what));
	require(fuzz_text_printable(what, sizeof(what)));
}

static void check_text(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct ids ids;

	if (ids_parse(text, &ids))
		check(&ids);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {.p = data, .left = size};
	uint64_t at[DISK_PLACES];
	struct ids ids = {0};
	uint8_t place = 0;
	uint8_t *page;

	fuzz_take(&in, &place, 1);
	if (place == 0xff) {
		check_text(in.p, in.left);
		return 0;
	}
	page = malloc(DISK_PAGE); /* a sanitizer finds a read past its end */
	require(page);
	require(disk_places(UINT64_C(1) << 30, at) == DISK_PLACES);
	while (in.left) {
		fuzz_take(&in, page, DISK_PAGE);
		disk_look(at[place % DISK_PLACES], page, &ids);
		place++;
	}
	check(&ids);
	free(page);
	return 0;
}
