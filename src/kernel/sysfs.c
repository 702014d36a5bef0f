/* SPDX-License-Identifier: MIT */
#include "kernel/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "kernel/queue-reader.h"

#define SYSFS_PATH_MAX 512
/*
 * Distinguishes the events made here from others; any UUID can be used (Documentation/ABI,
 * sysfs-uevent).
 */
#define EVENTS_UUID   "0b6c9f0e-7d55-4b1c-9b36-6d1a5d0f6e64"
#define HOLDERS_DEPTH 8 /* LVM on LUKS on LVM and so on */

/* `nbd0p1` */
static bool is_partition(const char *name)
{
	int end = 0;

	return sscanf(name, "nbd%*dp%*d%n", &end) == 0 && end > 0 && !name[end];
}

static int read_file(const char *path, char *buf, size_t size)
{
	_cleanup_fd_ int fd = held_open(path, O_RDONLY, 0);
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

int sysfs_read_within_at(const char *root, int index, const char *attribute, char *buf, size_t size,
			 int wait_ms)
{
	char path[SYSFS_PATH_MAX];
	int ret = attribute_path(path, root, index, attribute);

	if (ret < 0)
		return ret;
	if (strncmp(attribute, "queue/", 6) != 0 || queue_reader_is_forgotten())
		return read_file(path, buf, size);
	return queue_reader_read(path, buf, size, wait_ms);
}

int sysfs_read_at(const char *root, int index, const char *attribute, char *buf, size_t size)
{
	return sysfs_read_within_at(root, index, attribute, buf, size, QUEUE_READER_WAIT_MS);
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
	fd = held_open(path, O_WRONLY | O_TRUNC, 0); /* as a shell does; sysfs has no length */
	if (fd < 0)
		return -errno;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

bool sysfs_attached_at(const char *root, int index)
{
	char path[SYSFS_PATH_MAX];

	return attribute_path(path, root, index, "pid") == 0 && held_access(path) == 0;
}

bool sysfs_device_free_at(const char *root, int index)
{
	uint64_t sectors;
	int ret;

	if (sysfs_attached_at(root, index))
		return false;
	ret = sysfs_number_at(root, index, "size", &sectors);
	/* ENODEV: it is being removed. */
	return ret == -ENOENT || ret == -ENODEV || (ret == 0 && sectors == 0);
}

int sysfs_device_at(const char *root, int index, struct sysfs_device *ret_device)
{
	uint64_t pid, sectors, ro;
	int ret = sysfs_number_at(root, index, "pid", &pid);

	if (ret < 0)
		return ret == -ENOENT ? -ENODEV : ret;
	if ((ret = sysfs_number_at(root, index, "size", &sectors)) < 0 ||
	    (ret = sysfs_number_at(root, index, "ro", &ro)) < 0)
		return ret;
	if (pid > INT32_MAX || sectors > UINT64_MAX / 512)
		return -EINVAL;
	*ret_device =
	    (struct sysfs_device){.pid = (int)pid, .size = sectors * 512, .read_only = ro};
	return 0;
}

int sysfs_block_size_at(const char *root, int index, uint32_t *ret_bytes)
{
	uint64_t bytes;
	int ret = sysfs_number_at(root, index, "queue/logical_block_size", &bytes);

	if (ret < 0 || bytes > UINT32_MAX)
		return ret < 0 ? ret : -EINVAL;
	*ret_bytes = (uint32_t)bytes;
	return 0;
}

int sysfs_block_size(int index, uint32_t *ret_bytes)
{
	return sysfs_block_size_at(sysfs_root(), index, ret_bytes);
}

bool sysfs_attached(int index)
{
	return sysfs_attached_at(sysfs_root(), index);
}

bool sysfs_device_free(int index)
{
	return sysfs_device_free_at(sysfs_root(), index);
}

int sysfs_device(int index, struct sysfs_device *ret_device)
{
	return sysfs_device_at(sysfs_root(), index, ret_device);
}

unsigned sysfs_queues(int index)
{
	char path[SYSFS_PATH_MAX];
	unsigned n = 0;
	DIR *dir;

	if (attribute_path(path, sysfs_root(), index, "mq") < 0)
		return 0;
	dir = held_opendir(path);
	for (struct dirent *d; dir && (d = readdir(dir));)
		n += d->d_name[0] >= '0' && d->d_name[0] <= '9';
	if (dir)
		closedir(dir);
	return n;
}

int sysfs_backend(int index, char *buf, size_t size)
{
	return sysfs_read_at(sysfs_root(), index, "backend", buf, size);
}

int sysfs_mark(int index)
{
	char path[SYSFS_PATH_MAX];
	int fd, ret = attribute_path(path, sysfs_root(), index, "pid");

	if (ret < 0)
		return ret;
	/* The attribute is made at CONNECT and removed at the end: kernfs answers ENODEV then. */
	fd = held_open(path, O_RDONLY, 0);
	return fd < 0 ? -errno : fd;
}

bool sysfs_mark_valid(int fd)
{
	char byte;

	return pread(fd, &byte, 1, 0) == 1;
}

uint64_t sysfs_mark_attachment(int fd)
{
	struct stat st;

	return fd < 0 || fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

uint64_t sysfs_attachment(int index)
{
	return sysfs_attachment_at(sysfs_root(), index);
}

uint64_t sysfs_attachment_at(const char *root, int index)
{
	char path[SYSFS_PATH_MAX];
	struct stat st;

	if (attribute_path(path, root, index, "pid") < 0 || held_stat(path, &st) < 0)
		return 0;
	return st.st_ino;
}

int sysfs_announce_at(const char *root, int index, const char *action, const char *state)
{
	char path[SYSFS_PATH_MAX], attribute[300], event[128];
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *e;
	int ret, first;

	snprintf(event, sizeof(event), "%s " EVENTS_UUID " NBDSTATE=%s", action, state);
	first = sysfs_write_at(root, index, "uevent", event);
	ret = attribute_path(path, root, index, "");
	d = ret < 0 ? NULL : held_opendir(path);
	while (d && (e = readdir(d))) {
		if (!is_partition(e->d_name))
			continue;
		snprintf(attribute, sizeof(attribute), "%s/uevent", e->d_name);
		ret = sysfs_write_at(root, index, attribute, event);
		if (first == 0)
			first = ret;
	}
	return first;
}

int sysfs_announce(int index, const char *action, const char *state)
{
	return sysfs_announce_at(sysfs_root(), index, action, state);
}

int sysfs_announce_holder(const char *holder, const char *action, const char *state)
{
	char path[SYSFS_PATH_MAX], event[128];
	_cleanup_fd_ int fd = -1;

	snprintf(path, sizeof(path), "%s/block/%s/uevent", sysfs_root(), holder);
	snprintf(event, sizeof(event), "%s " EVENTS_UUID " NBDSTATE=%s", action, state);
	fd = held_open(path, O_WRONLY, 0);
	return fd < 0 || write(fd, event, strlen(event)) < 0 ? -errno : 0;
}

/* What lies on `slave`, whose directory below `root` is `dir`. */
static void holders_of(const char *root, const char *dir, const char *slave, int depth,
		       sysfs_holder_fn *fn, void *arg)
{
	char path[SYSFS_PATH_MAX], next[SYSFS_PATH_MAX];
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *e;

	if (depth == HOLDERS_DEPTH ||
	    snprintf(path, sizeof(path), "%s/block/%s/holders", root, dir) >= (int)sizeof(path))
		return;
	d = held_opendir(path);
	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, "dm-", 3) != 0)
			continue;
		fn(e->d_name, slave, arg);
		snprintf(next, sizeof(next), "%s", e->d_name);
		holders_of(root, next, next, depth + 1, fn, arg);
	}
}

void sysfs_holders_at(const char *root, int index, sysfs_holder_fn *fn, void *arg)
{
	char path[SYSFS_PATH_MAX], disk[32], part[300];
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *e;

	snprintf(disk, sizeof(disk), "nbd%d", index);
	holders_of(root, disk, disk, 0, fn, arg);
	d = attribute_path(path, root, index, "") < 0 ? NULL : held_opendir(path);
	while (d && (e = readdir(d))) {
		if (!is_partition(e->d_name))
			continue;
		snprintf(part, sizeof(part), "%s/%s", disk, e->d_name);
		holders_of(root, part, e->d_name, 0, fn, arg);
	}
}

void sysfs_holders(int index, sysfs_holder_fn *fn, void *arg)
{
	sysfs_holders_at(sysfs_root(), index, fn, arg);
}

int sysfs_module_parameter(const char *name, uint64_t *ret_value)
{
	char path[SYSFS_PATH_MAX], text[32] = "";
	int ret;

	if (snprintf(path, sizeof(path), "%s/module/nbd/parameters/%s", sysfs_root(), name) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	ret = read_file(path, text, sizeof(text));
	return ret < 0 ? ret : parse_number(text, ret_value);
}

int sysfs_check(struct err *err)
{
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "%s/block", sysfs_root());
	return held_access(path) == 0
		   ? 0
		   : err_set(err, ERR_SYSTEM, ENODEV,
			     "there is no %s, so it is unknown which devices are attached: mount "
			     "sysfs on %s",
			     path, sysfs_root());
}

bool sysfs_module_present(void)
{
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "%s/module/nbd", sysfs_root());
	return held_access(path) == 0;
}

bool sysfs_module_coming_at(const char *root)
{
	char path[SYSFS_PATH_MAX], state[16] = "";
	_cleanup_file_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/module/nbd/initstate", root);
	f = fopen(path, "re");
	return f && fgets(state, sizeof(state), f) && strcmp(state, "coming\n") == 0;
}

bool sysfs_module_coming(void)
{
	return sysfs_module_coming_at(sysfs_root());
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
	    access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0)
		return 65536;
	return page;
}
