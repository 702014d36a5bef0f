/* SPDX-License-Identifier: MIT */
/*
 * Finds the identifiers on a disk (base/ids.h) in the few pages that can have one. Pure: another
 * module reads the pages, from a server or from a device.
 *
 * This is a table of places and no library: libblkid wants a file or a device to read from, opens
 * others by itself, and allocates memory, none of which the sandbox of a worker allows.
 */
#ifndef NBD_DISK_H
#define NBD_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "base/ids.h"

#define DISK_SECTOR 512u
#define DISK_PAGE   4096u
#define DISK_PLACES 5

/* Bytes: where the pages of a disk of that size are, each wholly on the disk. Their number. */
size_t disk_places(uint64_t size, uint64_t ret_at[static DISK_PLACES]);

/*
 * Looks at the page that is at `at`, one of the places. Adds what it finds; an identifier of a kind
 * that was found on an earlier page stays.
 */
void disk_look(uint64_t at, const uint8_t page[static DISK_PAGE], struct ids *ids);

#endif
