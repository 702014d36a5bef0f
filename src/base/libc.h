/* SPDX-License-Identifier: MIT */
/*
 * What musl, glibc before 2.36, and their kernel headers lack of what this program uses. musl must
 * be 1.2.5 or later, which has statx().
 */
#ifndef BASE_LIBC_H
#define BASE_LIBC_H

#include <malloc.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __GLIBC_PREREQ
#define __GLIBC_PREREQ(major, minor) 0
#endif

#if !__GLIBC_PREREQ(2, 34)
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
static inline void closefrom(int first)
{
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
	for (long fd = sysconf(_SC_OPEN_MAX) - 1; fd >= first; fd--)
		close((int)fd);
}
#endif

#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 36)
#define P_PIDFD 3
#endif

/* musl's heap cannot be told to keep memory: a worker may map pages (seccomp-filter.c). */
#ifndef __GLIBC__
#define M_TRIM_THRESHOLD 0
#define M_MMAP_THRESHOLD 0
#define M_MMAP_MAX	 0
#define M_ARENA_MAX	 0
#define M_TOP_PAD	 0
static inline int mallopt(int what, int value)
{
	(void)what, (void)value;
	return 0;
}
#endif

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

#endif
