/* SPDX-License-Identifier: MIT */
/*
 * Lets a supervisor work when memory is short, which may be because its own device is the swap that
 * cannot be reached. Nothing here blocks.
 */
#ifndef BASE_PROTECT_H
#define BASE_PROTECT_H

#include <stdbool.h>

/*
 * Before any thread or process is started, which inherit it: the kernel never writes to a device to
 * get memory for this process (PR_SET_IO_FLUSHER, Linux 5.6). Without the privilege nothing
 * happens. In an initramfs, also marks the process as one that holds the root file system up.
 */
void protect_early(void);

/*
 * Marks the process as protect_early() does in an initramfs, because the user asked for it. Its
 * messages go to the kernel's log where no other one can be reached. Before any thread or process
 * is started.
 */
void protect_mark(void);

/* True in an initramfs, after protect_early(), and after protect_mark(): the device may be the root
 * file system's. */
bool protect_root(void);

/*
 * If protect_root(): keeps /run, /dev and /proc open (held.h), whose paths end when the real root
 * takes over. /run and /dev have the log, which may come later than this process.
 */
void protect_directories(void);

/*
 * For a process that heals a device: everything mapped now and later stays in memory, and the OOM
 * killer spares it. Logs one warning for a protection that is not available.
 */
void protect_memory(void);

/* After that, once the device is attached: the heap has room for an outage of all connections. */
void protect_heap(unsigned connections);

/* In a child that is to become an ordinary program: undoes what is inherited. */
void protect_undo(void);

#endif
