/* SPDX-License-Identifier: MIT */
#include "kernel/device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "kernel/sysfs.h"

struct device_name device_node(int index)
{
	struct device_name name;

	snprintf(name.text, sizeof(name.text), "/dev/nbd%d", index);
	return name;
}

static int refuse(const char *word, const char *why, struct err *err)
{
	char shown[128];
	struct text t;

	text_init(&t, shown, sizeof(shown));
	text_quote(&t, word, strlen(word), 60);
	return err_set(err, ERR_USAGE, EINVAL, "%s %s", shown, why);
}

int device_parse(const char *word, int *ret_index, struct err *err)
{
	const char *p = word;
	int index = 0;

	if (strcmp(word, "auto") == 0) {
		*ret_index = KERNEL_INDEX_AUTO;
		return 0;
	}
	if (strncmp(p, "/dev/", 5) == 0)
		p += 5;
	if (strncmp(p, "nbd", 3) != 0 || p[3] < '0' || p[3] > '9')
		return refuse(word, "is not an NBD device: use /dev/nbd0, nbd0 or auto", err);
	/* A leading zero would give one device two names, and the lock two files. */
	if (p[3] == '0' && p[4] >= '0' && p[4] <= '9')
		return refuse(word, "is not the name of a device: leave out the leading zeroes",
			      err);
	for (p += 3; *p >= '0' && *p <= '9'; p++) {
		index = index * 10 + (*p - '0');
		if (index > DEVICE_INDEX_MAX)
			return refuse(word, "is beyond the number of devices Linux can have", err);
	}
	if (p[0] == 'p' && p[1] >= '0' && p[1] <= '9')
		return refuse(word, "is a partition: name the whole device", err);
	if (*p)
		return refuse(word, "is not an NBD device: use /dev/nbd0, nbd0 or auto", err);
	*ret_index = index;
	return 0;
}

int device_index_limit(void)
{
	uint64_t max_part = 0;
	int limit = DEVICE_INDEX_MAX;

	/* drivers/block/nbd.c, nbd_init(): the parameter shows 2^part_shift - 1. */
	if (sysfs_module_parameter("max_part", &max_part) == 0)
		for (; max_part; max_part >>= 1)
			limit >>= 1;
	return limit;
}
