/* SPDX-License-Identifier: MIT */
#include "base/held.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/libc.h"

#define HELD_MAX 5 /* directories */

static struct {
	char path[PATH_MAX];
	int fd;
} held[HELD_MAX];
static size_t n_held;

int held_keep(const char *dir)
{
	int fd;

	for (size_t i = 0; i < n_held; i++)
		if (strcmp(held[i].path, dir) == 0)
			return 0;
	if (n_held == HELD_MAX || strlen(dir) >= PATH_MAX)
		return -ENOSPC;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	strcpy(held[n_held].path, dir);
	held[n_held++].fd = fd;
	return 0;
}

/* The directory from which *path is looked up; *path is shortened to what is below it. */
static int directory_of(const char **path)
{
	struct stat st;

	for (size_t i = 0; i < n_held; i++) {
		size_t len = strlen(held[i].path);

		if (strncmp(*path, held[i].path, len) != 0 ||
		    ((*path)[len] != '/' && (*path)[len] != '\0'))
			continue;
		/* After it was removed nothing can be made in it. Another may have its path. */
		if (fstat(held[i].fd, &st) < 0 || st.st_nlink == 0)
			continue;
		*path += len + strspn(*path + len, "/");
		if (!**path)
			*path = ".";
		return held[i].fd;
	}
	return AT_FDCWD;
}

int held_open(const char *path, int flags, mode_t mode)
{
	int dir = directory_of(&path);

	return openat(dir, path, flags | O_CLOEXEC, mode);
}

int held_stat(const char *path, struct stat *ret_st)
{
	int dir = directory_of(&path);

	return fstatat(dir, path, ret_st, 0);
}

int held_access(const char *path)
{
	int dir = directory_of(&path);

	return faccessat(dir, path, F_OK, 0);
}

int held_unlink(const char *path)
{
	int dir = directory_of(&path);

	return unlinkat(dir, path, 0);
}

int held_rename(const char *from, const char *to)
{
	int from_dir = directory_of(&from), to_dir = directory_of(&to);

	return renameat(from_dir, from, to_dir, to);
}

bool held_root_is_gone(void)
{
	bool gone = false;
	struct stat st;

	for (size_t i = 0; i < n_held; i++) {
		if (access(held[i].path, F_OK) == 0 || errno != ENOENT)
			return false;
		gone = gone || (fstat(held[i].fd, &st) == 0 && st.st_nlink > 0);
	}
	return gone;
}

int held_connect(int sock, const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	_cleanup_fd_ int before = -1;
	int dir = directory_of(&path), ret;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	/* connect(2) takes no directory: a relative path is looked up from the working directory.
	 */
	if (dir != AT_FDCWD) {
		before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (before < 0 || fchdir(dir) < 0)
			return -errno;
	}
	ret = connect(sock, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	if (before >= 0)
		(void)!fchdir(before);
	return ret;
}

/* The lowest descriptor to be left open that is not below `from`; -1: none. */
static int next_left_open(int from, int fd)
{
	int next = fd >= from ? fd : -1;

	for (size_t i = 0; i < n_held; i++)
		if (held[i].fd >= from && (next < 0 || held[i].fd < next))
			next = held[i].fd;
	return next;
}

void held_close_others(int fd)
{
	int from = 0, next;

	while ((next = next_left_open(from, fd)) >= 0) {
		for (; from < next; from++)
			close(from);
		from = next + 1;
	}
	closefrom(from);
}

FILE *held_fopen(const char *path, int flags)
{
	int fd = held_open(path, flags, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, (flags & O_ACCMODE) == O_RDONLY ? "r" : "w");

	if (!f)
		close_fdp(&fd);
	return f;
}

DIR *held_opendir(const char *path)
{
	int fd = held_open(path, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		close_fdp(&fd);
	return d;
}
