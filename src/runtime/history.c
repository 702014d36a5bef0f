/* SPDX-License-Identifier: MIT */
#include "runtime/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void history_add(char history[HISTORY_MAX], int64_t when, const char *state)
{
	char entry[64];
	size_t len = strlen(history), more;

	snprintf(entry, sizeof(entry), "%s%" PRId64 " %.32s", len ? "," : "", when, state);
	more = strlen(entry);
	while (len + more >= HISTORY_MAX) {
		const char *second = strchr(history, ',');
		size_t cut = second ? (size_t)(second + 1 - history) : len;

		len -= cut;
		memmove(history, history + cut, len + 1);
	}
	/* What stood before it may have been dropped whole. */
	if (len == 0 && entry[0] == ',')
		memmove(entry, entry + 1, more--);
	memcpy(history + len, entry, more + 1);
}
