/* SPDX-License-Identifier: MIT */
#include "captive/children.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/proc-stat.h"

/* False: the kernel has no such file (CONFIG_PROC_CHILDREN). */
static bool each_in_file(children_fn *fn, void *arg)
{
	_cleanup_fd_ int fd = held_open("/proc/thread-self/children", O_RDONLY, 0);
	char buf[4096];
	pid_t pid = 0;
	ssize_t len;

	/* Each number has a space after it. */
	while (fd >= 0 && (len = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < len; i++) {
			if (buf[i] != ' ') {
				pid = 10 * pid + (buf[i] - '0');
				continue;
			}
			fn(pid, arg);
			pid = 0;
		}
	return fd >= 0;
}

static bool is_child(pid_t pid)
{
	struct proc_stat stat;

	return proc_stat_read(pid, &stat) && stat.parent == getpid();
}

/* What getdents64(2) fills in. */
struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

/* opendir(3) would allocate. */
static void each_in_proc(children_fn *fn, void *arg)
{
	_cleanup_fd_ int fd = held_open("/proc", O_RDONLY | O_DIRECTORY, 0);
	char buf[4096] __attribute__((aligned(__alignof__(struct entry))));
	long len;

	while (fd >= 0 && (len = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + len;) {
			const struct entry *d = (const void *)p;

			p += d->length;
			if (isdigit((unsigned char)d->name[0]) && is_child(atoi(d->name)))
				fn(atoi(d->name), arg);
		}
}

void children_each(children_fn *fn, void *arg)
{
	if (!each_in_file(fn, arg))
		each_in_proc(fn, arg);
}
