/* SPDX-License-Identifier: MIT */
/*
 * The names under which the sockets of a device's connections outlive a supervisor, in the store of
 * the service manager or on the way from one supervisor to the next: `link-ATTACHMENT-SERIAL`.
 * Pure: uses only memory.
 */
#ifndef RUNTIME_LINKNAME_H
#define RUNTIME_LINKNAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINKNAME_MAX 48 /* bytes with the NUL: two numbers of 64 bits and the word */

struct linkname {
	uint64_t attachment; /* sysfs_attachment(); 0: named before the device was attached */
	uint64_t serial;     /* counts up, so that no two sockets of a store share a name */
};

/* Writes the name; buf has room for LINKNAME_MAX. */
void linkname_write(const struct linkname *name, char *buf);

/* False: the text is not a name exactly as linkname_write() writes it. */
bool linkname_read(const char *text, struct linkname *ret_name);

#endif
