/* SPDX-License-Identifier: MIT */
#include "supervise/attach/configure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/text.h"
#include "kernel/device.h"
#include "kernel/partitions.h"
#include "kernel/sysfs.h"
#include "kernel/tune.h"
#include "kernel/usage.h"
#include "runtime/marks.h"
#include "runtime/rundir.h"
#include "runtime/lock.h"
#include "supervise/attach/rival.h"
#include "supervise/attachment.h"

#define BUSY_LIMIT_MS 3000
#define BUSY_PAUSE_MS 20
#define FORGET_MS     2000 /* for the kernel to forget the partitions of the previous disk */

int configure_attached_already(int index, struct err *err)
{
	char backend[1024] = "";
	char shown[256];
	struct text t;

	sysfs_backend(index, backend, sizeof(backend));
	text_init(&t, shown, sizeof(shown));
	if (backend[0]) {
		text_str(&t, " to ");
		text_quote(&t, backend, strlen(backend), 150);
	}
	/* Disconnected while it is open, it looks the same. */
	return err_set(
	    err, ERR_BUSY, EBUSY,
	    "/dev/nbd%d is attached already%s: `nbd-attach --detach nbd%d` frees it; if "
	    "it was detached while it was in use, it is free when its last user closes it",
	    index, shown, index);
}

/* Before the device has a size again: later opens then see the new disk. */
static void forget_partitions(struct configure *c, int index)
{
	c->remark.message[0] = '\0';
	partitions_forget(index, FORGET_MS, &c->remark);
}

/* Tries one device, and waits as long as it is EBUSY. */
static int attach_one(struct configure *c, int index, unsigned limit_ms)
{
	uint64_t end = loop_now() + limit_ms;
	struct kernel_attach a = c->attach;
	bool looked = false;
	int ret;

	a.index = c->index = index;
	for (;;) {
		if (sysfs_attached(index))
			return configure_attached_already(index, &c->err);
		if (!looked)
			forget_partitions(c, index);
		looked = true;
		/* udev looks at the device at once. */
		ret = marks_expect(index, c->no_scan);
		if (ret < 0)
			return err_errno(&c->err, ERR_SYSTEM, -ret,
					 "cannot tell udev not to read /dev/nbd%d", index);
		ret = kernel_attach(c->kernel, &a, &c->err);
		if (ret != -EBUSY || loop_now() >= end)
			break;
		usleep(BUSY_PAUSE_MS * 1000);
	}
	if (ret < 0)
		marks_expect(index, false);
	if (ret == -EBUSY && !sysfs_attached(index)) {
		struct usage usage;

		if (usage_find(index, 0, &usage, NULL) == 0 && usage.n)
			err_set(&c->err, ERR_BUSY, EBUSY, "%s", usage.sentence);
	}
	return ret;
}

/* -EBUSY: it is in use, or another process takes it now. */
static int attach_if_free(struct configure *c, int index)
{
	struct rundir_path path = rundir_device(index, "lock");
	char what[32];
	int ret;

	if (sysfs_attached(index))
		return -EBUSY;
	snprintf(what, sizeof(what), "/dev/nbd%d", index);
	ret = lock_take(path.text, what, &c->lock_fd, &c->err);
	if (ret < 0)
		return ret;
	ret = attach_one(c, index, 0);
	if (ret < 0)
		close(TAKE_FD(c->lock_fd));
	return ret;
}

/*
 * First those that have a node: where no udev and no devtmpfs make one, as in a container, a device
 * without a node is of no use unless we may make one. A service sees no nodes at all, and takes the
 * first free device.
 */
static int attach_any(struct configure *c)
{
	int ret = -EBUSY, i = 0;

	for (int pass = 0; pass < 2 && ret == -EBUSY; pass++)
		for (i = 0; i < ATTACHMENT_AUTO_DEVICES && ret == -EBUSY; i++)
			if ((access(device_node(i).text, F_OK) == 0) == (pass == 0))
				ret = attach_if_free(c, i);
	if (ret == -EBUSY)
		err_set(&c->err, ERR_BUSY, EBUSY, "no free NBD device: %d were tried", i);
	else if (ret == -ENOENT && i > 1) /* ioctl has only the devices made when nbd was loaded */
		ret = err_set(&c->err, ERR_BUSY, EBUSY,
			      "no free NBD device below nbd%d, the first that does not exist: "
			      "load nbd with a larger nbds_max",
			      i - 1);
	return ret;
}

/* The device does not stay attached; udev may read what another program attaches to it. */
static void undo(struct configure *c)
{
	kernel_detach(c->kernel, c->index, NULL);
	marks_expect(c->index, false);
}

static int attach(struct configure *c)
{
	bool writable = !(c->attach.server_flags & NBD_TX_READ_ONLY);
	bool any = c->attach.index < 0;
	const char *identifier = c->attach.identifier;
	int rival = writable ? rival_find(c->kernel, any ? -1 : c->attach.index, identifier) : -1;
	int ret;

	if (rival >= 0)
		return rival_refuse(rival, identifier, &c->err);
	ret = any ? attach_any(c) : attach_one(c, c->attach.index, BUSY_LIMIT_MS);
	if (ret < 0 || !writable)
		return ret;
	/* Another process may have checked at the same time and seen no device, either. */
	ret = rival_yield(c->kernel, c->index, identifier, &c->err);
	if (ret < 0)
		undo(c);
	return ret;
}

/* Another attempt may take another device. */
static void let_go(struct configure *c)
{
	if (c->attach.index < 0 && c->lock_fd >= 0)
		close(TAKE_FD(c->lock_fd));
}

void configure_work(struct configure *c)
{
	struct tune tune;

	c->ret = attach(c);
	if (c->ret < 0) {
		let_go(c);
		return;
	}
	tune = (struct tune){.max_payload = c->max_payload,
			     .flags = c->attach.server_flags,
			     .enlarge = tune_enlarges(),
			     .io_timeout_ms = c->io_timeout};
	c->ret = tune_device(c->index, &tune, &c->err);
	if (c->ret < 0) {
		tune_undo(c->index);
		undo(c);
		let_go(c);
		return;
	}
	device_make_node(c->index);
}
