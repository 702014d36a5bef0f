/* SPDX-License-Identifier: MIT */
#include "runtime/linkname.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "link-"

void linkname_write(const struct linkname *name, char *buf)
{
	snprintf(buf, LINKNAME_MAX, PREFIX "%" PRIu64 "-%" PRIu64, name->attachment, name->serial);
}

/* Digits, up to the end or to `stop`; moves *text to what follows them. */
static bool number(const char **text, char stop, uint64_t *ret_value)
{
	const char *p = *text;
	uint64_t value = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (value > (UINT64_MAX - (uint64_t)(*p - '0')) / 10)
			return false;
		value = value * 10 + (uint64_t)(*p - '0');
	}
	if (p == *text || *p != stop || (**text == '0' && p - *text > 1))
		return false;
	*text = stop ? p + 1 : p;
	*ret_value = value;
	return true;
}

bool linkname_read(const char *text, struct linkname *ret_name)
{
	struct linkname name;

	if (strncmp(text, PREFIX, strlen(PREFIX)) != 0)
		return false;
	text += strlen(PREFIX);
	if (!number(&text, '-', &name.attachment) || !number(&text, '\0', &name.serial))
		return false;
	*ret_name = name;
	return true;
}
