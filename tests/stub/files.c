/* SPDX-License-Identifier: MIT */
/* The files of sysfs, and those of /proc that show open devices, in the driver's directory. */
#include "driver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "nbd/export.h"

/* Device numbers of nodes that exist everywhere: the links in proc/PID/fd point to them. */
static const struct {
	const char *number, *node;
} nodes[STUB_DEVICES] = {
    {"1:7", "/dev/full"}, {"1:5", "/dev/zero"}, {"1:8", "/dev/random"}, {"1:9", "/dev/urandom"}};

struct path {
	char text[256];
};

static struct path path_of(const struct driver *d, const struct device *dev, const char *name)
{
	struct path p;

	snprintf(p.text, sizeof(p.text), "%.90s/sys/block/nbd%d/%s", d->dir, dev->index, name);
	return p;
}

/* Writes in place: a reader finds the old text or the new one. A FIFO that a test made stays one.
 */
static void write_file(const char *path, const char *text)
{
	char other[280];
	struct stat st;
	int fd;

	if (lstat(path, &st) == 0 && S_ISFIFO(st.st_mode))
		return;
	snprintf(other, sizeof(other), "%s.new", path);
	fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(other);
		exit(1);
	}
	close(fd);
	rename(other, path);
}

void files_set(struct driver *d, const struct device *dev, const char *name, const char *format,
	       ...)
{
	char text[64];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text) - 1, format, ap);
	va_end(ap);
	text[len] = '\n';
	text[len + 1] = '\0';
	write_file(path_of(d, dev, name).text, text);
}

/* A writer may just have emptied it, and a scenario may have put a FIFO in its place. */
uint64_t files_number(struct driver *d, const struct device *dev, const char *name,
		      uint64_t otherwise)
{
	int fd = open(path_of(d, dev, name).text, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	unsigned long long value;

	if (!f)
		return otherwise;
	if (fscanf(f, "%llu", &value) != 1)
		value = otherwise;
	fclose(f);
	return value;
}

/* A test makes partitions by making directories. */
unsigned files_partitions(struct driver *d, const struct device *dev, bool drop)
{
	unsigned n = 0;
	char name[32];

	for (int i = 1; i < 4; i++) {
		snprintf(name, sizeof(name), "nbd%dp%d", dev->index, i);
		if (drop)
			rmdir(path_of(d, dev, name).text);
		else
			n += access(path_of(d, dev, name).text, F_OK) == 0;
	}
	return n;
}

static void make_directory(const struct driver *d, const char *name)
{
	struct path p;

	snprintf(p.text, sizeof(p.text), "%.90s/%s", d->dir, name);
	if (mkdir(p.text, 0755) < 0 && errno != EEXIST) {
		perror(p.text);
		exit(1);
	}
}

static void make_device(struct driver *d, struct device *dev)
{
	char name[64];

	snprintf(name, sizeof(name), "sys/block/nbd%d", dev->index);
	make_directory(d, name);
	for (size_t i = 0; i < 3; i++) {
		static const char *const below[] = {"queue", "holders", "mq"};

		snprintf(name, sizeof(name), "sys/block/nbd%d/%s", dev->index, below[i]);
		make_directory(d, name);
	}
	files_set(d, dev, "dev", "%s", nodes[dev->index].number);
	files_set(d, dev, "size", "0");
	files_set(d, dev, "ro", "0");
	files_set(d, dev, "uevent", "%s", "");
	files_set(d, dev, "queue/logical_block_size", "512");
	files_set(d, dev, "queue/max_sectors_kb", "1280");
	files_set(d, dev, "queue/write_cache", "write through");
	files_set(d, dev, "queue/fua", "0");
	files_set(d, dev, "queue/discard_max_bytes", "0");
	files_set(d, dev, "queue/discard_max_hw_bytes", "0");
	files_set(d, dev, "queue/discard_granularity", "0");
	files_set(d, dev, "queue/write_zeroes_max_bytes", "0");
	files_set(d, dev, "queue/rotational", "0");
	files_set(d, dev, "queue/io_timeout", "30000");
	files_set(d, dev, "queue/iostats", "1");
	files_set(d, dev, "stat", "%s", "");
	files_set(d, dev, "inflight", "%s", "");
	dev->stat_fd = open(path_of(d, dev, "stat").text, O_WRONLY | O_CLOEXEC);
	dev->inflight_fd = open(path_of(d, dev, "inflight").text, O_WRONLY | O_CLOEXEC);
	files_stat(d, dev);
}

static void link_to(const struct driver *d, const char *name, const char *target)
{
	struct path p;

	snprintf(p.text, sizeof(p.text), "%.90s/%s", d->dir, name);
	(void)!symlink(target, p.text);
}

static void make_file(const struct driver *d, const char *name, const char *text)
{
	struct path p;

	snprintf(p.text, sizeof(p.text), "%.90s/%s", d->dir, name);
	write_file(p.text, text);
}

void files_make(struct driver *d)
{
	static const char *const directories[] = {"sys",
						  "sys/block",
						  "sys/module",
						  "sys/module/nbd",
						  "sys/module/nbd/parameters",
						  "sys/dev",
						  "sys/dev/block",
						  "sys/fs",
						  "sys/fs/btrfs",
						  "proc",
						  "proc/self",
						  "proc/self/ns",
						  "proc/1"};
	char name[64], target[64];

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		make_directory(d, directories[i]);
	make_file(d, "sys/module/nbd/parameters/max_part", "16\n");
	make_file(d, "proc/swaps", "Filename Type Size Used Priority\n");
	make_file(d, "proc/self/mountinfo", "");
	link_to(d, "proc/self/ns/pid", "/proc/self/ns/pid");
	link_to(d, "proc/self/ns/mnt", "/proc/self/ns/mnt");
	for (size_t i = 0; i < STUB_DEVICES; i++) {
		make_device(d, &d->device[i]);
		snprintf(name, sizeof(name), "sys/dev/block/%s", nodes[i].number);
		snprintf(target, sizeof(target), "../../block/nbd%zu", i);
		link_to(d, name, target);
	}
}

void files_size(struct driver *d, struct device *dev)
{
	files_set(d, dev, "size", "%llu", (unsigned long long)dev->size / 512);
}

void files_configured(struct driver *d, struct device *dev, int pid)
{
	unsigned queues = (unsigned)get_nprocs_conf();
	char name[32];

	for (unsigned i = 0; i < dev->n_slots && i < queues; i++) {
		snprintf(name, sizeof(name), "mq/%u", i);
		mkdir(path_of(d, dev, name).text, 0755);
	}
	files_set(d, dev, "queue/logical_block_size", "%u", dev->block_size);
	files_set(d, dev, "queue/write_cache", "%s",
		  dev->flags & NBD_TX_SEND_FLUSH ? "write back" : "write through");
	files_set(d, dev, "queue/fua", "%d", !!(dev->flags & NBD_TX_SEND_FUA));
	files_set(d, dev, "queue/discard_max_bytes", "%u",
		  dev->flags & NBD_TX_SEND_TRIM ? 1u << 30 : 0);
	files_set(d, dev, "queue/discard_max_hw_bytes", "%u",
		  dev->flags & NBD_TX_SEND_TRIM ? 1u << 30 : 0);
	files_set(d, dev, "queue/write_zeroes_max_bytes", "%u",
		  dev->flags & NBD_TX_SEND_WRITE_ZEROES ? 1u << 30 : 0);
	files_set(d, dev, "ro", "%d", !!(dev->flags & NBD_TX_READ_ONLY));
	files_size(d, dev);
	if (dev->identifier) {
		char *text = NULL;

		if (asprintf(&text, "%s\n", dev->identifier) < 0)
			exit(1);
		write_file(path_of(d, dev, "backend").text, text);
		free(text);
	}
	/* A new inode; the last one is still open. */
	files_set(d, dev, "pid", "%d", pid);
	if (dev->pid_fd >= 0)
		close(dev->pid_fd);
	dev->pid_fd = open(path_of(d, dev, "pid").text, O_RDWR | O_CLOEXEC);
}

/* A process that still has `pid` open reads nothing, as in kernfs. */
void files_free(struct driver *d, struct device *dev)
{
	char name[32];

	(void)!ftruncate(dev->pid_fd, 0);
	unlink(path_of(d, dev, "pid").text);
	unlink(path_of(d, dev, "backend").text);
	for (unsigned i = 0; i < STUB_FDS_MAX; i++) {
		snprintf(name, sizeof(name), "mq/%u", i);
		rmdir(path_of(d, dev, name).text);
	}
	files_size(d, dev);
}

/* All texts have the same length, so that one write replaces a text. */
void files_stat(struct driver *d, struct device *dev)
{
	unsigned flight = queue_in(dev, REQUEST_FLIGHT) + queue_in(dev, REQUEST_SENDING);
	bool counts = files_number(d, dev, "queue/iostats", 1) != 0;
	char text[256];
	int len;

	/* A flush is counted as a write of nothing, too. */
	len = snprintf(text, sizeof(text),
		       "%8llu 0 0 0 %8llu 0 %8llu 0 %8u 0 0 %8llu 0 0 0 %8llu 0\n",
		       counts ? (unsigned long long)dev->done[0] : 0,
		       counts ? (unsigned long long)(dev->done[1] + dev->done[3]) : 0,
		       counts ? (unsigned long long)dev->sectors : 0, counts ? flight : 0,
		       counts ? (unsigned long long)dev->done[2] : 0,
		       counts ? (unsigned long long)dev->done[3] : 0);
	(void)!pwrite(dev->stat_fd, text, (size_t)len, 0);
	len = snprintf(text, sizeof(text), "%8u %8u\n", 0u, flight);
	(void)!pwrite(dev->inflight_fd, text, (size_t)len, 0);
}

/*
 * The driver takes a reference to its module for each configuration, which an open device has as
 * well, and the kernel takes one for each open. `built-in` in the driver's directory: no module.
 */
void files_references(struct driver *d)
{
	unsigned n = 0;
	char text[16];
	struct path p;

	for (size_t i = 0; i < STUB_DEVICES; i++) {
		const struct device *dev = &d->device[i];

		n += dev->openers + (dev->configured || dev->openers);
	}
	snprintf(p.text, sizeof(p.text), "%.90s/built-in", d->dir);
	snprintf(text, sizeof(text), "%u\n", n);
	if (access(p.text, F_OK) < 0)
		make_file(d, "sys/module/nbd/refcnt", text);
	else
		make_file(d, "sys/module/nbd/refcnt", "");
}

void files_opened(struct driver *d, const struct client *c, bool open)
{
	char name[64], comm[64];
	struct path p, from;
	FILE *f;

	snprintf(name, sizeof(name), "proc/%d", c->pid);
	snprintf(p.text, sizeof(p.text), "%.90s/proc/%d/fd/%d", d->dir, c->pid, c->fd);
	if (!open) {
		unlink(p.text);
		return;
	}
	make_directory(d, name);
	snprintf(name, sizeof(name), "proc/%d/fd", c->pid);
	make_directory(d, name);
	(void)!symlink(nodes[c->device->index].node, p.text);
	snprintf(name, sizeof(name), "proc/%d/status", c->pid);
	snprintf(from.text, sizeof(from.text), "/proc/%d/status", c->pid);
	link_to(d, name, from.text);
	snprintf(from.text, sizeof(from.text), "/proc/%d/comm", c->pid);
	f = fopen(from.text, "re");
	if (f && fgets(comm, sizeof(comm), f)) {
		snprintf(name, sizeof(name), "proc/%d/comm", c->pid);
		make_file(d, name, comm);
	}
	if (f)
		fclose(f);
}
