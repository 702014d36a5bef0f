/* SPDX-License-Identifier: MIT */
/*
 * Why a relay has ended: its exit status. Only the relay sees which side of its connection was
 * first, and the supervisor sees only that the relay is gone.
 */
#ifndef WORKER_RELAY_END_H
#define WORKER_RELAY_END_H

/* 0 and 1 are the status of any process. What is not listed here is RELAY_END_BROKEN. */
enum relay_end {
	RELAY_END_UNKNOWN = 0, /* it goes on, or has not told yet */
	RELAY_END_BROKEN = 10, /* an error: the server may hold requests */
	RELAY_END_SERVER = 11, /* the server's end came first: it carries out nothing more */
	RELAY_END_SILENT = 12, /* the server's host acknowledges nothing: likewise unknown */
	RELAY_END_DRIVER = 13, /* the kernel's side was first: the server may hold requests */
};

#endif
