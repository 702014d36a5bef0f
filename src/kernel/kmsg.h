/* SPDX-License-Identifier: MIT */
/*
 * The kernel's log of one NBD device. It tells three things that nothing else does:
 *  - whether the driver uses a new socket. RECONFIGURE reports success in either case, but only if
 *    the driver uses the socket, it logs "reconnected socket" for the device (seen on 5.10, 6.1,
 *    6.12 and 7.2, before the command returns);
 *  - that the server answered a request with an error ("Other side returned error (5)"), which the
 *    driver turns into EIO whatever it was;
 *  - that the driver itself has ended a connection, because of a wrong reply or a timeout.
 * Each record can be read only once. So a device has one struct kmsg, which all its readers share:
 * it remembers what it has read until a reader asks. If the log cannot be read, all are unknown.
 */
#ifndef KERNEL_KMSG_H
#define KERNEL_KMSG_H

#include <stdbool.h>
#include <stdint.h>

struct kmsg;

/* The answers that were errors, since the log was opened. */
struct kmsg_errors {
	uint64_t count;	  /* all of them */
	uint64_t leaving; /* of these with KMSG_LEAVING */
	unsigned last;	  /* the number of the last one, as the server sent it */
	bool missed;	  /* records were overwritten before they were read: there may be more */
};

/* NBD_ESHUTDOWN: the server is shutting down, and the client is to disconnect. */
#define KMSG_LEAVING 108

/*
 * /dev/kmsg, positioned after the existing records; non-blocking; the caller closes it. If it
 * cannot be opened, standard input is used if that is /dev/kmsg; all such descriptors share one
 * position. -1 if it cannot be read.
 */
int kmsg_open(void);

/*
 * The log of /dev/nbd`index`. Takes ownership of fd, which is the result of kmsg_open(). NULL: fd
 * is -1, or memory is short.
 */
struct kmsg *kmsg_new(int fd, int index);
void kmsg_free(struct kmsg *k); /* accepts NULL */
/* The descriptor, borrowed, for epoll(7): ready when a record of any device was added. */
int kmsg_fd(const struct kmsg *k);

/*
 * The rest may be called on every thread, accepts NULL, reads to the end of the log, and never
 * blocks.
 */

/* True if a line since the last call says that the device uses a new socket. */
bool kmsg_reconnected(struct kmsg *k);
/* The same. *ret_gap: such a line may have been overwritten before it was read, or none can be. */
bool kmsg_reconnected_or(struct kmsg *k, bool *ret_gap);
/* Whether the driver itself has ended the connection that it used last, and logged that first. */
enum kmsg_cut {
	KMSG_CUT_NO,
	KMSG_CUT_WRONG_REPLY, /* it has, because of one */
	/*
	 * A request has timed out, of any device, because ten such lines may hide the eleventh.
	 * Says nothing of a device whose requests have no timeout.
	 */
	KMSG_CUT_TIMEOUT,
	KMSG_CUT_UNKNOWN, /* the log cannot be read, or not all of it */
};

enum kmsg_cut kmsg_cut(struct kmsg *k);
/* False: the log cannot be read. */
bool kmsg_errors(struct kmsg *k, struct kmsg_errors *ret_errors);

/*
 * The kernel's log as it is now: `fn` gets each line that names /dev/nbd`index` or a partition of
 * it, with the seconds since the kernel started. 0 or -errno: the log cannot be read.
 */
typedef void kmsg_line_fn(double seconds, const char *text, void *arg);
int kmsg_lines(int index, kmsg_line_fn *fn, void *arg);
/* True if the text names that device or a partition of it. */
bool kmsg_names(const char *text, int index);

/* What one record of /dev/kmsg, terminated, says of a device. */
bool kmsg_is_reconnect(const char *record, int index);
bool kmsg_is_error(const char *record, int index, unsigned *ret_error);
bool kmsg_is_wrong_reply(const char *record, int index);
bool kmsg_is_timeout(const char *record); /* of any device */

#endif
