/* SPDX-License-Identifier: MIT */
/*
 * The facts about the attached device. attach/ finds them out; they are const for every other part.
 * Only the size, when the export has grown, and the server's address change later.
 */
#ifndef SUPERVISE_ATTACHMENT_H
#define SUPERVISE_ATTACHMENT_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/err.h"
#include "kernel/kmsg.h"
#include "kernel/sysfs.h"
#include "nbd/export.h"
#include "supervise/attach/plan.h"

/* `auto` looks at this many devices: far more than a machine attaches. */
#define ATTACHMENT_AUTO_DEVICES 256

struct attachment {
	int index;		/* of /dev/nbdN; -1 until it is known */
	const char *identifier; /* for the kernel's `backend`; borrowed */
	int mark;		/* sysfs_mark() of the attachment; -1: not attached yet */
	struct kmsg *kmsg;	/* NULL: the kernel's log cannot be read, or is not open yet */
	struct plan plan;
	/* The export as it was attached. After a takeover its name is "". */
	struct nbd_export known;
	char name[DIGEST_TEXT_MAX]; /* attachment_name() of the export as it was attached */
	char server[256];	    /* the address of the server in use, as text */
	bool taken_over;	    /* an earlier supervisor attached it */
	uint32_t resent_ms;	    /* see timeouts_resent() */
	bool guessed; /* it left no state file: the number of connections is a guess */
	/* Kept open as long as the device is ours; -1: not held. */
	int device_lock, identifier_lock, name_lock;
};

/*
 * A digest of the export's name: a name may be long, and have any character. "": the server said
 * none. Returns buf. Pure.
 */
char *attachment_name(const struct nbd_export *e, char buf[static DIGEST_TEXT_MAX]);

void attachment_init(struct attachment *a, const char *identifier);
void attachment_close(struct attachment *a);

/* A writable export is locked for this device. 0 or -errno with *err. */
int attachment_lock_identifier(struct attachment *a, struct err *err);
/* The device is attached: from now on its mark shows when it is detached. 0 or -errno with *err. */
int attachment_open_mark(struct attachment *a, struct err *err);
/* The kernel's log of the device, from now on; again: nothing. */
void attachment_open_log(struct attachment *a);

/* True if our attachment has ended; another program may have attached the device again. */
static inline bool attachment_is_gone(const struct attachment *a)
{
	return a->mark >= 0 && !sysfs_mark_valid(a->mark);
}

static inline bool attachment_is_read_only(const struct attachment *a)
{
	return a->plan.flags & NBD_TX_READ_ONLY;
}

/* The kernel sends the server a flush for fsync(2). */
static inline bool attachment_flushes(const struct attachment *a)
{
	return a->plan.flags & NBD_TX_SEND_FLUSH;
}

#endif
