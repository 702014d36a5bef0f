/* SPDX-License-Identifier: MIT */
/*
 * Takes over an attached device whose supervisor has died or was upgraded, without disturbing its
 * I/O and without dialling: a server of one client would not greet a second one while the first
 * connection lives. The kernel is the source; the state file of the former supervisor only adds to
 * it.
 */
#ifndef SUPERVISE_ATTACH_ADOPT_H
#define SUPERVISE_ATTACH_ADOPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/kernel.h"
#include "kernel/kmsg.h"
#include "runtime/given.h"
#include "runtime/state.h"
#include "supervise/watch/links.h"
#include "supervise/attach/plan.h"
#include "endpoint/address.h"

enum adopt_probe {
	ADOPT_ALIVE,   /* the driver knows of no dead connection */
	ADOPT_DEAD,    /* it knows of at least one */
	ADOPT_UNKNOWN, /* its log cannot be read */
};

struct adopt {
	struct kernel *kernel; /* borrowed */
	struct kmsg *log;      /* of the device; borrowed */
	int index;
	const char *identifier; /* borrowed */
	uint64_t dead_timeout;	/* seconds, set anew. The request timeout is left alone: sending it
				   resets io_timeout, which cannot be written while requests wait */
	unsigned connections;	/* the user's number, if no state file has it */
	bool times_out;		/* the user lets the driver cut a slow server */
	bool vouched;		/* the former supervisor has handed all connections over */
	struct state *state;	/* the caller's room for the state file */

	int ret;		/* out: 0 or -errno with err */
	struct err err;		/* out */
	bool known;		/* out: *state belongs to this attachment */
	uint64_t attachment;	/* out: sysfs_attachment() */
	bool counted;		/* out: plan.connections is known, not guessed */
	struct plan plan;	/* out: what the device is */
	uint32_t max_payload;	/* out: the largest request it sends, in bytes */
	enum adopt_probe probe; /* out */
	int rival;		/* out: another device that writes to the export; -1: none */
};

/*
 * Writes the identifier of device `index` into buf: the kernel's, or, where the kernel keeps none
 * (before 5.14), that of the state file, if it was written for this attachment and not over ioctl;
 * unprintable characters are escaped there. 0, -ENODEV (not attached), -ENOENT (unknown), or
 * others.
 */
int adopt_identifier(int index, char *buf, size_t size);

/*
 * True if device `index` is attached with that identifier: the holder of its lock may take it over.
 */
bool adopt_possible(int index, const char *identifier);

/* True if, according to the kernel, the device sends its server a flush for fsync(2). */
bool adopt_flushes(int index);

/*
 * Blocks; for the helper thread. Errors: BUSY (a zombie: disconnected, but a process still has it
 * open), ERR_FAILED.
 */
void adopt_work(struct adopt *a);

/*
 * Asks the driver whether it knows of a dead connection, by offering it a socket that leads
 * nowhere. The driver accepts and logs it only if it can replace a dead one; otherwise it drops it.
 * For the helper thread, where no hand-over waits for the same record.
 */
enum adopt_probe adopt_probe(struct kernel *kernel, struct kmsg *log, int index,
			     const char *identifier);

/*
 * Enters the result into `links`, on the loop: the connections, dead or alive, as far as they are
 * known. Takes every socket with the name of a connection out of `given`. Those that are
 * connections of the device become connections with a descriptor; the others are closed.
 */
void adopt_links(const struct adopt *a, struct given *given, struct links *links);

/* The server's addresses from the state file; empty if it has none. */
void adopt_addresses(const struct adopt *a, struct address_list *ret_list);

#endif
