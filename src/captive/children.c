/* SPDX-License-Identifier: MIT */
#include "captive/children.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"

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

/* `PID (NAME) STATE PARENT ...`; the name may contain anything. 0: there is no such process. */
static pid_t parent_of(const char *number)
{
	_cleanup_fd_ int fd = -1;
	char buf[512];
	const char *paren;
	ssize_t len;

	snprintf(buf, sizeof(buf), "/proc/%s/stat", number);
	fd = held_open(buf, O_RDONLY, 0);
	len = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (len <= 0)
		return 0;
	buf[len] = '\0';
	paren = strrchr(buf, ')');
	return paren && strlen(paren) > 4 ? atoi(paren + 4) : 0;
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
			if (isdigit((unsigned char)d->name[0]) && parent_of(d->name) == getpid())
				fn(atoi(d->name), arg);
		}
}

void children_each(children_fn *fn, void *arg)
{
	if (!each_in_file(fn, arg))
		each_in_proc(fn, arg);
}
