/* SPDX-License-Identifier: MIT */
#include "kernel/udev.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/partition-list.h"
#include "kernel/root.h"
#include "kernel/sysfs.h"

#define PATH_SIZE     512
#define LINE_SIZE     600
#define ANCESTORS_MAX 16 /* parents that are looked at; udev's children have one or two */
#define RULES	      "59-nbd-attach.rules"

bool udev_runs(void)
{
	static const char *const places[] = {"/etc/udev", "/usr/local/lib/udev", "/usr/lib/udev",
					     "/lib/udev"};
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/control", udev_root());
	if (access(path, F_OK) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/rules.d/" RULES, udev_root());
	if (access(path, F_OK) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), "%s/rules.d/" RULES, places[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* From /proc/PID/status. */
static bool read_status(const char *proc, int pid, char name[64], int *ret_parent,
			unsigned *ret_uid)
{
	char path[PATH_SIZE], line[LINE_SIZE];
	_cleanup_file_ FILE *f = NULL;
	unsigned found = 0;

	snprintf(path, sizeof(path), "%s/%d/status", proc, pid);
	f = fopen(path, "re");
	while (f && found < 3 && fgets(line, sizeof(line), f))
		found += sscanf(line, "Name:\t%63[^\n]", name) == 1 ||
			 sscanf(line, "PPid: %d", ret_parent) == 1 ||
			 sscanf(line, "Uid: %u", ret_uid) == 1;
	return found == 3;
}

bool udev_started(const char *proc, int pid)
{
	/* systemd's worker since its version 252, before that, and eudev's. */
	static const char *const names[] = {"(udev-worker)", "systemd-udevd", "udevd"};
	char name[64];
	int parent = 0;
	unsigned uid = 0;

	for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		if (!read_status(proc, pid, name, &parent, &uid))
			return false;
		/* Any user's process can take this name. */
		for (size_t j = 0; uid == 0 && j < ARRAY_SIZE(names); j++)
			if (strcmp(name, names[j]) == 0)
				return true;
		pid = parent;
	}
	return false;
}

enum entry {
	ENTRY_MISSING,
	ENTRY_STRANGE, /* udev has seen the device, but not as a part of this attachment */
	ENTRY_OURS,
};

/* The entry in udev's database of a device below /sys/block. */
static enum entry entry_of(const char *device, int pid, const char *link)
{
	char path[PATH_SIZE], line[LINE_SIZE], number[32] = "", wanted[64];
	_cleanup_file_ FILE *dev = NULL, *f = NULL;
	bool of_pid = false, linked = false;

	snprintf(path, sizeof(path), "%s/block/%s/dev", sysfs_root(), device);
	dev = fopen(path, "re");
	if (!dev || fscanf(dev, "%31[0-9:]", number) != 1)
		return ENTRY_MISSING;
	snprintf(path, sizeof(path), "%s/data/b%s", udev_root(), number);
	snprintf(wanted, sizeof(wanted), "E:NBD_ATTACH_PID=%d", pid);
	f = fopen(path, "re");
	if (!f)
		return ENTRY_MISSING;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		of_pid = of_pid || strcmp(line, wanted) == 0;
		linked = linked || (strncmp(line, "S:", 2) == 0 && strcmp(line + 2, link) == 0);
	}
	return of_pid && linked ? ENTRY_OURS : ENTRY_STRANGE;
}

/* The number of partitions that udev has not seen; `prod` announces them. */
static unsigned missing(int index, int pid, const char *name, bool prod)
{
	char path[PATH_SIZE], link[PATH_SIZE], device[64];
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *e;
	unsigned found = 0;
	enum entry entry;
	int part;

	snprintf(path, sizeof(path), "%s/block/nbd%d", sysfs_root(), index);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		part = partition_number(index, e->d_name);
		if (!part)
			continue;
		snprintf(device, sizeof(device), "nbd%d/nbd%dp%d", index, index, part);
		snprintf(link, sizeof(link), "disk/by-nbd/%s-part%d", name, part);
		entry = entry_of(device, pid, link);
		found += entry != ENTRY_OURS;
		if (prod && entry == ENTRY_STRANGE)
			sysfs_announce_holder(device, "change", "attached");
	}
	return found;
}

enum udev_seen udev_seen(int index, int pid, const char *name)
{
	char device[32], link[PATH_SIZE];

	snprintf(device, sizeof(device), "nbd%d", index);
	snprintf(link, sizeof(link), "disk/by-nbd/%s", name);
	if (entry_of(device, pid, link) != ENTRY_OURS)
		return UDEV_NOT_YET;
	return missing(index, pid, name, false) ? UDEV_DISK : UDEV_ALL;
}

void udev_prod(int index, int pid, const char *name)
{
	missing(index, pid, name, true);
}
