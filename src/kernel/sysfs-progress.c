/* SPDX-License-Identifier: MIT */
/* How many requests a device has completed and has under way (kernel/sysfs.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/queue-reader.h"
#include "kernel/sysfs.h"

/*
 * Are requests counted? 0, -ENODATA (queue/iostats is 0), -EAGAIN (unknown: the reader is blocked),
 * or another -errno.
 */
static int are_counted(const char *root, int index)
{
	char text[32] = "";
	int ret = sysfs_read_within_at(root, index, "queue/iostats", text, sizeof(text),
				       QUEUE_READER_LOOK_MS);

	return ret < 0 ? ret : strcmp(text, "0") == 0 ? -ENODATA : 0;
}

int sysfs_progress_at(const char *root, int index, struct sysfs_progress *ret_progress)
{
	unsigned long long reads = 0, writes = 0, discards = 0, flushes = 0;
	unsigned long long written = 0, discarded = 0;
	struct sysfs_progress p = {.in_flight = 0};
	int counted = are_counted(root, index);
	char stat[512];
	int ret;

	if (counted < 0 && counted != -ENODATA && counted != -EAGAIN)
		return counted;
	p.counted = counted == 0;
	p.unknown = counted == -EAGAIN;
	/* Requests are counted last, because the caller may act on the figure. */
	ret = sysfs_read_at(root, index, "stat", stat, sizeof(stat));
	if (ret < 0)
		return ret;
	/* Flushes came with 5.5; a kernel without them has fewer columns. */
	if (sscanf(stat, "%llu %*u %*u %*u %llu %*u %llu %*u %u %*u %*u %llu %*u %llu %*u %llu",
		   &reads, &writes, &written, &p.in_flight, &discards, &discarded, &flushes) < 4)
		return -EBADMSG;
	p.completed = reads + writes + discards + flushes;
	p.written = written + discarded;
	*ret_progress = p;
	return 0;
}

int sysfs_progress(int index, struct sysfs_progress *ret_progress)
{
	return sysfs_progress_at(sysfs_root(), index, ret_progress);
}

int sysfs_written(int index, uint64_t *ret_requests)
{
	unsigned long long writes = 0, discards = 0;
	char stat[512];
	int ret = are_counted(sysfs_root(), index);

	if (ret == 0)
		ret = sysfs_read_at(sysfs_root(), index, "stat", stat, sizeof(stat));
	if (ret < 0)
		return ret;
	if (sscanf(stat, "%*u %*u %*u %*u %llu %*u %*u %*u %*u %*u %*u %llu", &writes, &discards) <
	    1)
		return -EBADMSG;
	*ret_requests = writes + discards;
	return 0;
}
