/* SPDX-License-Identifier: MIT */
/*
 * Any text as a state file, and the output of --status for it. Invariants: the output is printable,
 * and every string in the struct is terminated.
 */
#include "base/json.h"
#include "fuzz.h"
#include "runtime/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state state;
	FILE *f = fuzz_file(data, size), *out;
	char *text = NULL;
	struct json j;
	size_t len = 0;

	state_parse(7, f, &state);
	fclose(f);
	require(state.index == 7);
	require(fuzz_text_printable(state.uri, sizeof(state.uri)));
	require(fuzz_text_printable(state.error, sizeof(state.error)));
	require(fuzz_text_printable(state.tls.peer, sizeof(state.tls.peer)));
	out = open_memstream(&text, &len);
	require(out);
	state_print(&state, out);
	json_init(&j, out);
	json_array(&j, NULL);
	state_json(&state, &j);
	json_end_array(&j);
	json_finish(&j);
	fclose(out);
	require(fuzz_printable(text, len, "\n"));
	free(text);
	return 0;
}
