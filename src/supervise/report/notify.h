/* SPDX-License-Identifier: MIT */
/*
 * What a service tells its manager: sd_notify(3)'s datagrams, by hand. Never blocks: what the
 * manager does not take at once is lost, and the next message tells as much.
 */
#ifndef SUPERVISE_REPORT_NOTIFY_H
#define SUPERVISE_REPORT_NOTIFY_H

#include <stdint.h>

struct notify {
	int fd;		      /* -1: nobody listens */
	uint32_t watchdog_ms; /* how long the manager waits for a sign of life; 0: it does not */
};

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them from the environment, so
 * that no child speaks for us. Without NOTIFY_SOCKET, or if it cannot be used, fd is -1.
 */
void notify_open(struct notify *ret_notify);
void notify_close(struct notify *n);

/* Sends lines such as "READY=1\nSTATUS=...". Does nothing without a listener. */
void notify_send(const struct notify *n, const char *lines);

#endif
