/* SPDX-License-Identifier: MIT */
/*
 * Any text as a request to a supervisor. Invariant: a valid request has the same meaning after it
 * is written and read again.
 */
#include "fuzz.h"
#include "supervise/requests/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The size of the supervisor's buffer. */
	char *text = fuzz_string(data, size < 31 ? size : 31), again[32];
	struct control_request request, back;

	if (control_parse(text, &request)) {
		control_format(&request, again, sizeof(again));
		require(control_parse(again, &back));
		require(back.verb == request.verb && back.force == request.force);
		require(back.prepared == request.prepared && back.accept == request.accept);
		require(back.grace == request.grace && back.version == request.version);
	}
	free(text);
	return 0;
}
