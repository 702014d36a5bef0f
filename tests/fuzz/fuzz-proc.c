/* SPDX-License-Identifier: MIT */
/*
 * Any text as a file of the kernel: mountinfo, in the searches for a mount point and for users of a
 * device; /proc/swaps; a record of /dev/kmsg. The first byte chooses. A user who may mount decides
 * most of the contents of mountinfo.
 */
#include <sys/sysmacros.h>

#include "fuzz.h"
#include "kernel/kmsg.h"
#include "kernel/place.h"
#include "kernel/usage-private.h"

static void look_for_place(FILE *f)
{
	struct err err = {.message = ""};
	int index = -1;

	if (place_device_in(f, "/nonexistent", "/mnt/a b", &index, &err) == 0) {
		require(index >= 0);
		return;
	}
	require(err.kind == ERR_FAILED && err.message[0]);
	require(fuzz_text_printable(err.message, sizeof(err.message)));
}

static void look_for_users(FILE *f, uint8_t which)
{
	static struct usage_scan s;
	struct usage_scans all = {.scan = &s, .n = 1};
	struct usage usage = {.n = 0};

	memset(&s, 0, sizeof(s));
	s.usage = &usage;
	s.n_nodes = 2;
	s.nodes[0].dev = makedev(43, 0);
	s.nodes[1] = (struct usage_node){.dev = makedev(43, 1), .part = 1};
	text_init(&s.text, usage.sentence, sizeof(usage.sentence));
	if (which & 1)
		usage_swaps(&all, f);
	else
		usage_mounts(&all, f, which & 2 ? "process 1 (\"init\")" : NULL);
	require(fuzz_text_printable(usage.sentence, sizeof(usage.sentence)));
	require((usage.n > 0) == (usage.sentence[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t which;
	char *text;
	FILE *f;

	fuzz_take(&in, &which, 1);
	if (which % 3 == 0) {
		text = fuzz_string(in.p, in.left);
		kmsg_is_reconnect(text, 3);
		free(text);
		return 0;
	}
	f = fuzz_file(in.p, in.left);
	if (which % 3 == 1)
		look_for_place(f);
	else
		look_for_users(f, which / 3);
	fclose(f);
	return 0;
}
