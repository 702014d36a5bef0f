/* SPDX-License-Identifier: MIT */
/*
 * Finds out from the kernel's log whether the driver uses a new socket. RECONFIGURE reports success
 * in either case, but only if the driver uses the socket, it logs "reconnected socket" for the
 * device (seen on 5.10, 6.1, 6.12 and 7.2, before the command returns). If the kernel's log cannot
 * be read, this is unknown.
 */
#ifndef KERNEL_KMSG_H
#define KERNEL_KMSG_H

#include <stdbool.h>

/*
 * /dev/kmsg, positioned after the existing records; non-blocking; the caller closes it. If it
 * cannot be opened, standard input is used if that is /dev/kmsg; all such descriptors share one
 * position. -1 if it cannot be read.
 */
int kmsg_open(void);

/*
 * True if a line since the last call says that nbd`index` uses a new socket. Reads to the end;
 * never blocks. False also for fd -1.
 */
bool kmsg_reconnected(int fd, int index);

/* The same for one record of /dev/kmsg, terminated. */
bool kmsg_is_reconnect(const char *record, int index);

#endif
