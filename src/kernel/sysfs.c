/* SPDX-License-Identifier: MIT */
#include "kernel/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"

#define SYSFS_PATH_MAX 512

static int read_file(const char *path, char *buf, size_t size)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	/* An attribute comes whole or not at all. */
	len = read(fd, buf, size);
	if (len < 0)
		return -errno;
	if ((size_t)len == size)
		return -E2BIG;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return 0;
}

static int parse_number(const char *text, uint64_t *ret_value)
{
	char *end;
	uint64_t value;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int attribute_path(char *path, const char *root, int index, const char *attribute)
{
	int len = snprintf(path, SYSFS_PATH_MAX, "%s/block/nbd%d/%s", root, index, attribute);

	return len < SYSFS_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int sysfs_read_at(const char *root, int index, const char *attribute, char *buf, size_t size)
{
	char path[SYSFS_PATH_MAX];
	int ret = attribute_path(path, root, index, attribute);

	return ret < 0 ? ret : read_file(path, buf, size);
}

int sysfs_number_at(const char *root, int index, const char *attribute, uint64_t *ret_value)
{
	char text[32] = "";
	int ret = sysfs_read_at(root, index, attribute, text, sizeof(text));

	return ret < 0 ? ret : parse_number(text, ret_value);
}

int sysfs_write_at(const char *root, int index, const char *attribute, const char *value)
{
	char path[SYSFS_PATH_MAX];
	int ret = attribute_path(path, root, index, attribute);
	_cleanup_fd_ int fd = -1;

	if (ret < 0)
		return ret;
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC); /* as a shell does; sysfs has no length */
	if (fd < 0)
		return -errno;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

bool sysfs_attached_at(const char *root, int index)
{
	char path[SYSFS_PATH_MAX];

	return attribute_path(path, root, index, "pid") == 0 && access(path, F_OK) == 0;
}

bool sysfs_device_free_at(const char *root, int index)
{
	uint64_t sectors = 0;

	if (sysfs_attached_at(root, index))
		return false;
	return sysfs_number_at(root, index, "size", &sectors) == -ENOENT || sectors == 0;
}

int sysfs_device_at(const char *root, int index, struct sysfs_device *ret_device)
{
	uint64_t pid, sectors, block, ro;
	int ret = sysfs_number_at(root, index, "pid", &pid);

	if (ret < 0)
		return ret == -ENOENT ? -ENODEV : ret;
	if ((ret = sysfs_number_at(root, index, "size", &sectors)) < 0 ||
	    (ret = sysfs_number_at(root, index, "queue/logical_block_size", &block)) < 0 ||
	    (ret = sysfs_number_at(root, index, "ro", &ro)) < 0)
		return ret;
	if (pid > INT32_MAX || sectors > UINT64_MAX / 512 || block > UINT32_MAX)
		return -EINVAL;
	*ret_device = (struct sysfs_device){
	    .pid = (int)pid, .size = sectors * 512, .block_size = (uint32_t)block, .read_only = ro};
	return 0;
}

bool sysfs_attached(int index)
{
	return sysfs_attached_at(SYSFS_ROOT, index);
}

bool sysfs_device_free(int index)
{
	return sysfs_device_free_at(SYSFS_ROOT, index);
}

int sysfs_device(int index, struct sysfs_device *ret_device)
{
	return sysfs_device_at(SYSFS_ROOT, index, ret_device);
}

int sysfs_progress(int index, struct sysfs_progress *ret_progress)
{
	unsigned long long reads = 0, writes = 0, discards = 0, flushes = 0;
	struct sysfs_progress p = {.in_flight = 0};
	char stat[512];
	int ret = sysfs_read_at(SYSFS_ROOT, index, "stat", stat, sizeof(stat));

	if (ret < 0)
		return ret;
	/* Flushes came with 5.5; a kernel without them has fewer columns. */
	if (sscanf(stat, "%llu %*u %*u %*u %llu %*u %*u %*u %u %*u %*u %llu %*u %*u %*u %llu",
		   &reads, &writes, &p.in_flight, &discards, &flushes) < 3)
		return -EBADMSG;
	p.completed = reads + writes + discards + flushes;
	*ret_progress = p;
	return 0;
}

unsigned sysfs_queues(int index)
{
	char path[SYSFS_PATH_MAX];
	unsigned n = 0;
	DIR *dir;

	if (attribute_path(path, SYSFS_ROOT, index, "mq") < 0)
		return 0;
	dir = opendir(path);
	for (struct dirent *d; dir && (d = readdir(dir));)
		n += d->d_name[0] >= '0' && d->d_name[0] <= '9';
	if (dir)
		closedir(dir);
	return n;
}

int sysfs_backend(int index, char *buf, size_t size)
{
	return sysfs_read_at(SYSFS_ROOT, index, "backend", buf, size);
}

int sysfs_mark(int index)
{
	char path[SYSFS_PATH_MAX];
	int fd, ret = attribute_path(path, SYSFS_ROOT, index, "pid");

	if (ret < 0)
		return ret;
	/* The attribute is made at CONNECT and removed at the end: kernfs answers ENODEV then. */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool sysfs_mark_valid(int fd)
{
	char byte;

	return pread(fd, &byte, 1, 0) == 1;
}

int sysfs_module_parameter(const char *name, uint64_t *ret_value)
{
	char path[SYSFS_PATH_MAX], text[32] = "";
	int ret;

	if (snprintf(path, sizeof(path), SYSFS_ROOT "/module/nbd/parameters/%s", name) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	ret = read_file(path, text, sizeof(text));
	return ret < 0 ? ret : parse_number(text, ret_value);
}

bool sysfs_module_present(void)
{
	return access(SYSFS_ROOT "/module/nbd", F_OK) == 0;
}

bool sysfs_kernel_since(unsigned major, unsigned minor)
{
	unsigned its_major = 0, its_minor = 0;
	struct utsname u;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &its_major, &its_minor) != 2)
		return false;
	return its_major > major || (its_major == major && its_minor >= minor);
}

uint32_t sysfs_kernel_block_max(void)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	/* 6.15 takes blocks larger than a page where it has transparent huge pages. */
	if (page < 65536 && sysfs_kernel_since(6, 15) &&
	    access(SYSFS_ROOT "/kernel/mm/transparent_hugepage", F_OK) == 0)
		return 65536;
	return page;
}
