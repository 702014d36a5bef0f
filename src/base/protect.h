/* SPDX-License-Identifier: MIT */
/*
 * A supervisor must work when memory is short, perhaps because its own device is the swap that is
 * not reachable. Nothing here blocks.
 */
#ifndef BASE_PROTECT_H
#define BASE_PROTECT_H

#include <stdbool.h>

/*
 * Before any thread or process is started, which inherit it: memory this process asks for is
 * never got by writing to a device (PR_SET_IO_FLUSHER, Linux 5.6). Without the privilege nothing
 * happens. In an initramfs, also marks the process as one that holds the root file system up.
 */
void protect_early(void);

/* Does what protect_early() does in an initramfs, at somebody's word. */
void protect_mark(void);

/* True in an initramfs, after protect_early(), and after protect_mark(): the device may be the root
 * file system's. */
bool protect_root(void);

/*
 * Once the device is attached: everything mapped now and later stays in memory, the heap has room
 * for an outage without asking the kernel, and the OOM killer looks elsewhere. What cannot be
 * had is warned about once.
 */
void protect_memory(void);

/* In a child that is to become an ordinary program: undoes what is inherited. */
void protect_undo(void);

#endif
