/* SPDX-License-Identifier: MIT */
/*
 * The driver's own word that it took a socket. RECONFIGURE answers success whether it did or not;
 * only when it did, it logs "reconnected socket" for the device (seen on 5.10, 6.1, 6.12 and 7.2,
 * before the command returns). Where the kernel's log cannot be read, nothing is known.
 */
#ifndef KERNEL_KMSG_H
#define KERNEL_KMSG_H

#include <stdbool.h>

/*
 * /dev/kmsg, positioned behind what is there already: non-blocking, the caller's to close. If it
 * cannot be opened, standard input is used if that is /dev/kmsg; all such descriptors share one
 * position. -1 if it cannot be read.
 */
int kmsg_open(void);

/* True if a line since the last look says that nbd`index` took a socket. Reads to the end; never
 * blocks. False also for fd -1. */
bool kmsg_reconnected(int fd, int index);

/* The same for one record of /dev/kmsg, terminated. */
bool kmsg_is_reconnect(const char *record, int index);

#endif
