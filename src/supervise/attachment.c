/* SPDX-License-Identifier: MIT */
#include "supervise/attachment.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"

char *attachment_name(const struct nbd_export *e, char buf[static DIGEST_TEXT_MAX])
{
	struct digest d;

	buf[0] = '\0';
	if (!e->name[0])
		return buf;
	digest_init(&d);
	digest_add(&d, e->name, strlen(e->name));
	return digest_text(&d, buf);
}

void attachment_init(struct attachment *a, const char *identifier)
{
	*a = (struct attachment){
	    .index = -1,
	    .identifier = identifier,
	    .mark = -1,
	    .device_lock = -1,
	    .identifier_lock = -1,
	    .name_lock = -1,
	};
}

void attachment_close(struct attachment *a)
{
	close_fdp(&a->device_lock);
	close_fdp(&a->identifier_lock);
	close_fdp(&a->name_lock);
	close_fdp(&a->mark);
	kmsg_free(TAKE_PTR(a->kmsg));
}

int attachment_lock_identifier(struct attachment *a, struct err *err)
{
	struct rundir_path path = rundir_identifier(a->identifier);
	char what[256];
	struct text t;

	/* Two clients may read one export; two that write it corrupt each other's file system. */
	if (a->identifier_lock >= 0 || a->plan.flags & NBD_TX_READ_ONLY)
		return 0;
	text_init(&t, what, sizeof(what));
	text_quote(&t, a->identifier, strlen(a->identifier), 200);
	return lock_take(path.text, what, &a->identifier_lock, err);
}

int attachment_open_mark(struct attachment *a, struct err *err)
{
	if (a->mark < 0)
		a->mark = sysfs_mark(a->index);
	if (a->mark < 0)
		return err_errno(err, ERR_FAILED, -a->mark, "/dev/nbd%d disappeared again",
				 a->index);
	return 0;
}

void attachment_open_log(struct attachment *a)
{
	if (!a->kmsg)
		a->kmsg = kmsg_new(kmsg_open(), a->index);
}
