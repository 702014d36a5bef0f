/* SPDX-License-Identifier: MIT */
/*
 * Messages of a service to its manager: the datagrams of sd_notify(3), without libsystemd. Never
 * blocks: a message that the manager does not accept at once is lost. The next one repeats its
 * content, or the caller sends it again.
 */
#ifndef SUPERVISE_REPORT_NOTIFY_H
#define SUPERVISE_REPORT_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
	int fd;		      /* -1: there is no manager */
	uint32_t watchdog_ms; /* the manager's watchdog time; 0: none */
};

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them from the environment, so
 * that no child can send messages for us. Without NOTIFY_SOCKET, or if it cannot be used, fd is -1.
 */
void notify_open(struct notify *ret_notify);
void notify_close(struct notify *n);

/* Sends lines such as "READY=1\nSTATUS=...". Does nothing without a listener. */
void notify_send(const struct notify *n, const char *lines);

/* The same with a descriptor, -1: none. False: the manager has not got the message. */
bool notify_send_fd(const struct notify *n, const char *lines, int fd);

#endif
