/* SPDX-License-Identifier: MIT */
#include "supervise/attach/rival.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/text.h"
#include "kernel/root.h"
#include "kernel/sysfs.h"
#include "supervise/attach/adopt.h"

#define YIELD_MS 2000 /* the device with the lower index waits this long for the other's end */
#define PAUSE_MS 20

/*
 * A device that was disconnected while a process has it open keeps its identifier, but writes
 * nothing. The kernel shows that: a RECONFIGURE without changes fails. Over ioctl that is
 * impossible, and without netlink the device counts as connected.
 */
static bool is_disconnected(struct kernel *kernel, int index, const char *identifier)
{
	const struct kernel_change nothing = {.index = index, .identifier = identifier, .fd = -1};
	int ret = kernel_change(kernel, &nothing, NULL);
	struct kernel *netlink;
	bool fallback;

	if (ret == -ENOTSUP && kernel_new(KERNEL_BACKEND_NETLINK, &netlink, &fallback, NULL) == 0) {
		ret = kernel_change(netlink, &nothing, NULL);
		kernel_free(netlink);
	}
	return ret == -ENODEV;
}

static bool is_rival(struct kernel *kernel, int index, const char *identifier)
{
	uint64_t read_only = 0;

	if (!adopt_possible(index, identifier))
		return false;
	if (sysfs_number_at(sysfs_root(), index, "ro", &read_only) == 0 && read_only)
		return false;
	/* The device may have been replaced meanwhile: then that change failed because of it. */
	return !is_disconnected(kernel, index, identifier) && adopt_possible(index, identifier);
}

int rival_find(struct kernel *kernel, int index, const char *identifier)
{
	char path[PATH_MAX];
	_cleanup_dir_ DIR *d = NULL;
	int first = -1, i, end;

	snprintf(path, sizeof(path), "%s/block", sysfs_root());
	d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		end = 0;
		if (sscanf(e->d_name, "nbd%d%n", &i, &end) != 1 || e->d_name[end] || i == index)
			continue;
		if ((first < 0 || i < first) && is_rival(kernel, i, identifier))
			first = i;
	}
	return first;
}

int rival_refuse(int rival, const char *identifier, struct err *err)
{
	char shown[256];
	struct text t;

	text_init(&t, shown, sizeof(shown));
	text_quote(&t, identifier, strlen(identifier), 200);
	return err_set(err, ERR_BUSY, EBUSY,
		       "%s is attached for writing already, as /dev/nbd%d: two devices that write "
		       "to one export destroy its data. Attach it as nbd%d to take that device "
		       "over, or detach it first with `nbd-attach --detach nbd%d`",
		       shown, rival, rival, rival);
}

int rival_yield(struct kernel *kernel, int index, const char *identifier, struct err *err)
{
	uint64_t end = loop_now() + YIELD_MS;
	int rival;

	while ((rival = rival_find(kernel, index, identifier)) >= 0) {
		if (rival < index || loop_now() >= end)
			return rival_refuse(rival, identifier, err);
		usleep(PAUSE_MS * 1000);
	}
	return 0;
}
