/* SPDX-License-Identifier: MIT */
/*
 * Cleanup attributes that show ownership: `_cleanup_fd_ int fd = -1;` closes on every way out of a
 * scope, `return TAKE_FD(fd);` passes ownership on. Nothing else in the tree declares cleanups.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Closes *fd unless it is negative; keeps errno. */
static inline void close_fdp(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void free_charp(char **p)
{
	free(*p);
}

static inline void close_filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void close_dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _cleanup_dir_  _cleanup_(close_dirp)
#define _cleanup_fd_   _cleanup_(close_fdp)
#define _cleanup_free_ _cleanup_(free_charp)
#define _cleanup_file_ _cleanup_(close_filep)

#define TAKE_FD(fd)                        \
	({                                 \
		int *take_fd_ = &(fd);     \
		int taken_fd_ = *take_fd_; \
		*take_fd_ = -1;            \
		taken_fd_;                 \
	})

#define TAKE_PTR(p)                                    \
	({                                             \
		__typeof__(p) *take_ptr_ = &(p);       \
		__typeof__(p) taken_ptr_ = *take_ptr_; \
		*take_ptr_ = NULL;                     \
		taken_ptr_;                            \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
