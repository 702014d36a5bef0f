/* SPDX-License-Identifier: MIT */
/*
 * Directories that this process keeps open because their paths may end. A supervisor that was
 * started in an initramfs keeps the initramfs as its root directory, and finds it empty, after the
 * real root has taken its place: /run and /sys are mounted in the real root then. The path of a
 * kept directory, or one below it, is looked up from the open directory; any other path is used as
 * it is, also if the directory itself has been removed.
 *
 * The list belongs to the whole process, as the root directory does, and changes only while no
 * other thread uses it. It lives until the process ends. Nothing here blocks where the file system
 * does not.
 */
#ifndef BASE_HELD_H
#define BASE_HELD_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Keeps the directory of this absolute path; again: nothing. 0 or -errno. */
int held_keep(const char *dir);

/* As the system calls of that name, close-on-exec. The descriptor is the caller's. -1: errno. */
int held_open(const char *path, int flags, mode_t mode);
int held_stat(const char *path, struct stat *ret_st);
int held_access(const char *path);
int held_unlink(const char *path);
int held_rename(const char *from, const char *to);

/*
 * True if no path of a kept directory leads anywhere any more, although a directory is still there:
 * the root directory of this process has become empty, and no program can be run from it.
 */
bool held_root_is_gone(void);

/*
 * Connects to the Unix socket of that path. The working directory is another one meanwhile: no
 * other thread may use a relative path. 0 or -errno.
 */
int held_connect(int sock, const char *path);

/*
 * For a child that may be left behind: closes every descriptor but those of the kept directories,
 * and `fd` (-1: none).
 */
void held_close_others(int fd);

/*
 * To read or, with `flags` of open(2), to write. A file that is made is its owner's alone, whatever
 * the umask is. The caller's to close. NULL: errno.
 */
FILE *held_fopen(const char *path, int flags);
DIR *held_opendir(const char *path);

#endif
