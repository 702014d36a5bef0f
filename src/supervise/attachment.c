/* SPDX-License-Identifier: MIT */
#include "supervise/attachment.h"

#include "base/cleanup.h"

void attachment_init(struct attachment *a, const char *identifier)
{
	*a = (struct attachment){
	    .index = -1,
	    .identifier = identifier,
	    .mark = -1,
	    .kmsg = -1,
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
	close_fdp(&a->kmsg);
}
