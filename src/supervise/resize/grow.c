/* SPDX-License-Identifier: MIT */
/* Gives the device the size that its connections know, on the helper thread. */
#include "supervise/resize/resize-private.h"

#include <errno.h>

#include "base/log.h"
#include "kernel/sysfs.h"
#include "runtime/state.h"

/* After an outage: requests that waited for a connection are sent, and are counted, by then. */
#define GROW_WAIT_MS 2000

static void grow_work(void *arg)
{
	struct resize *z = arg;
	struct kernel_change change = {
	    .index = z->env->at->index,
	    .identifier = z->env->at->identifier,
	    .fd = -1,
	    .size = z->grow_size,
	};

	z->grow_err.message[0] = '\0';
	if (sysfs_mark_valid(z->env->at->mark))
		kernel_change(z->env->kernel, &change, &z->grow_err);
	else
		err_set(&z->grow_err, ERR_FAILED, ENODEV, "another program has detached /dev/nbd%d",
			change.index);
}

static void tell(struct resize *z, uint64_t old_size)
{
	char from[64], to[64];
	struct err err;

	if (!z->size && !z->asked)
		return;
	if (z->grow_err.message[0]) {
		resize_end(z, err_exit_status(z->grow_err.kind), z->grow_err.message);
		return;
	}
	err_set(&err, ERR_FAILED, 0, "/dev/nbd%d has grown from %s to %s", z->env->at->index,
		size_text(old_size, from, sizeof(from)),
		size_text(z->env->at->plan.size, to, sizeof(to)));
	resize_end(z, 0, err.message);
}

static void grown(void *arg)
{
	struct resize *z = arg;
	uint64_t old = z->env->at->plan.size;
	char size[64];

	z->growing = false;
	if (z->grow_err.message[0]) {
		log_warning("/dev/nbd%d: cannot change the device to the export's new size: %s",
			    z->env->at->index, z->grow_err.message);
		if (z->fresh_size == z->grow_size)
			z->fresh_size = old;
		tell(z, old);
		return;
	}
	log_notice("/dev/nbd%d: the export has a new size, and the device was changed to it: %s",
		   z->env->at->index, size_text(z->grow_size, size, sizeof(size)));
	z->events->grown(z->grow_size, z->arg);
	tell(z, old);
}

void resize_grow(struct resize *z)
{
	if (z->growing)
		return;
	z->growing = true;
	z->grow_size = z->fresh_size;
	if (offload_run(z->env->offload, grow_work, grown, z) < 0)
		z->growing = false;
}

void resize_note_size(struct resize *z, uint64_t size, bool others)
{
	uint64_t known = z->fresh_size ? z->fresh_size : z->env->at->plan.size;

	z->fresh_size = others && known < size ? known : size;
}

bool resize_is_due(const struct resize *z)
{
	return z->fresh_size != 0 && z->fresh_size != z->env->at->plan.size;
}

/*
 * Grows only when every connection is alive and no request is under way: since 6.9 the driver
 * freezes the queue for it, and a request whose connection dies meanwhile would keep it frozen. If
 * the device is never idle, this is tried every second.
 */
void resize_grow_when_idle(struct resize *z)
{
	const struct resize_view view = resize_look(z);
	struct sysfs_progress p;

	if (!view.attached || z->growing || view.busy || view.stalled || !resize_is_due(z))
		return;
	if (loop_now() - view.recovered < GROW_WAIT_MS ||
	    sysfs_progress(z->env->at->index, &p) < 0 || !sysfs_is_idle(&p))
		return;
	resize_grow(z);
}
