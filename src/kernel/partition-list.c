/* SPDX-License-Identifier: MIT */
#include "kernel/partition-list.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kernel/sysfs.h"

static bool is_partition(const char *name, const char *disk)
{
	size_t len = strlen(disk);

	return strncmp(name, disk, len) == 0 && name[len] == 'p' && name[len + 1] &&
	       name[len + 1 + strspn(name + len + 1, "0123456789")] == '\0';
}

unsigned partitions_shown(int index, char *buf, size_t size)
{
	char disk[24], path[512];
	struct dirent **entry;
	unsigned found = 0;
	struct text t;
	int n;

	snprintf(disk, sizeof(disk), "nbd%d", index);
	snprintf(path, sizeof(path), "%s/block/%s", sysfs_root(), disk);
	if (buf)
		text_init(&t, buf, size);
	n = scandir(path, &entry, NULL, versionsort);
	for (int i = 0; i < n; i++) {
		if (is_partition(entry[i]->d_name, disk)) {
			if (buf)
				text_str(&t, found ? ", " : "");
			if (buf)
				text_str(&t, entry[i]->d_name);
			found++;
		}
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return found;
}
