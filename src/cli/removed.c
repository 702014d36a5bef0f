/* SPDX-License-Identifier: MIT */
#include "cli/removed.h"

#include <string.h>

#include "base/cleanup.h"
#include "endpoint/uri-parts.h"

/* Options of earlier versions, and what replaces them. */
static const struct {
	const char *name, *successor;
} removed[] = {
    {"failover-unfenced", "--fence none"},
    {"format", "--image FORMAT:FILE, such as --image qcow2:disk.qcow2"},
    {"retry-delay-late", "--retry-delay with two values, such as --retry-delay 0.5,5"},
};

int removed_option(const char *name, size_t len, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(removed); i++)
		if (strlen(removed[i].name) == len && memcmp(removed[i].name, name, len) == 0)
			return part_bad(err, "the option %s has been replaced by %s",
					removed[i].name, removed[i].successor);
	return 0;
}
