/* SPDX-License-Identifier: MIT */
#include "kernel/partition-list.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "kernel/root.h"

int partition_number(int index, const char *name)
{
	int disk, part, end = 0;

	if (sscanf(name, "nbd%dp%d%n", &disk, &part, &end) != 2 || name[end] || disk != index)
		return 0;
	return part;
}

unsigned partitions_shown(int index, char *buf, size_t size)
{
	char path[512];
	struct dirent **entry;
	unsigned found = 0;
	struct text t;
	int n;

	snprintf(path, sizeof(path), "%s/block/nbd%d", sysfs_root(), index);
	if (buf)
		text_init(&t, buf, size);
	n = scandir(path, &entry, NULL, versionsort);
	for (int i = 0; i < n; i++) {
		if (partition_number(index, entry[i]->d_name)) {
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
