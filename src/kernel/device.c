/* SPDX-License-Identifier: MIT */
#include "kernel/device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"
#include "kernel/sysfs.h"

#define DIGITS "0123456789"

struct device_name device_node(int index)
{
	struct device_name name;

	snprintf(name.text, sizeof(name.text), "/dev/nbd%d", index);
	return name;
}

void device_make_node_at(const char *dev, const char *sys, int index)
{
	unsigned major = 0, minor = 0;
	char path[256], number[32];

	snprintf(path, sizeof(path), "%s/nbd%d", dev, index);
	if (access(path, F_OK) == 0 ||
	    sysfs_read_at(sys, index, "dev", number, sizeof(number)) < 0 ||
	    sscanf(number, "%u:%u", &major, &minor) != 2)
		return;
	(void)!mknod(path, S_IFBLK | 0600, makedev(major, minor));
}

void device_make_node(int index)
{
	device_make_node_at("/dev", sysfs_root(), index);
}

struct shown {
	char text[272];
};

static struct shown show(const char *word)
{
	struct shown shown;
	struct text t;

	text_init(&t, shown.text, sizeof(shown.text));
	text_quote(&t, word, strlen(word), 60);
	return shown;
}

static bool is_partition(const char *rest)
{
	return rest[0] == 'p' && rest[1] && rest[1 + strspn(rest + 1, DIGITS)] == '\0';
}

int device_parse(const char *word, const char *otherwise, int *ret_index, struct err *err)
{
	const char *p = strncmp(word, "/dev/", 5) == 0 ? word + 5 : word;
	size_t digits = strncmp(p, "nbd", 3) == 0 ? strspn(p + 3, DIGITS) : 0;
	int index = 0;

	if (digits == 0)
		return err_set(err, ERR_USAGE, EINVAL,
			       "%s is not an NBD device: write /dev/nbd0, nbd0%s", show(word).text,
			       otherwise);
	p += 3;
	/* A leading zero would give one device two names, and the lock two files. */
	if (p[0] == '0' && digits > 1)
		return err_set(err, ERR_USAGE, EINVAL,
			       "%s is not an NBD device: leave out the leading zeroes",
			       show(word).text);
	for (; digits; digits--, p++) {
		index = index * 10 + (*p - '0');
		if (index > DEVICE_INDEX_MAX)
			return err_set(
			    err, ERR_USAGE, EINVAL,
			    "%s is not an NBD device: the last one that Linux can have is nbd%d",
			    show(word).text, DEVICE_INDEX_MAX);
	}
	if (is_partition(p))
		return err_set(err, ERR_USAGE, EINVAL,
			       "%s is a partition: use the device itself, nbd%d", show(word).text,
			       index);
	if (*p)
		return err_set(err, ERR_USAGE, EINVAL,
			       "%s is not an NBD device: write /dev/nbd%d or nbd%d",
			       show(word).text, index, index);
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
