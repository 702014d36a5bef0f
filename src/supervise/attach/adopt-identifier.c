/* SPDX-License-Identifier: MIT */
/* Finds the identifier of a device's attachment. */
#include "supervise/attach/adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sysfs.h"

/* The state file, if a supervisor wrote it for this attachment. */
static int written_identifier(int index, char *buf, size_t size)
{
	struct state *state = malloc(sizeof(*state));
	int ret = state ? -ENOENT : -ENOMEM;
	struct err err;

	if (state && state_read(index, state, &err) == 0 && state->attachment &&
	    state->attachment == sysfs_attachment(index) &&
	    strcmp(state->backend, "netlink") == 0 && strlen(state->identifier) < size) {
		strcpy(buf, state->identifier);
		ret = 0;
	}
	free(state);
	return ret;
}

int adopt_identifier(int index, char *buf, size_t size)
{
	int ret = sysfs_attached(index) ? sysfs_backend(index, buf, size) : -ENODEV;

	return ret == -ENOENT ? written_identifier(index, buf, size) : ret;
}

bool adopt_possible(int index, const char *identifier)
{
	char text[KERNEL_IDENTIFIER_MAX + 2];

	return adopt_identifier(index, text, sizeof(text)) == 0 && strcmp(text, identifier) == 0;
}
