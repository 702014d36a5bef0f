/* SPDX-License-Identifier: MIT */
#include "runtime/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "base/proc-stat.h"

/*
 * The lock is that of flock(2). The holder of such a lock can only be found by trying to take it,
 * so the holder also locks two bytes by fcntl(2), which can be asked: the first one with the same
 * life as the lock, the second one for lock_pidfd().
 */
#define BYTE_HELD    0
#define BYTE_PROCESS 1

#define TRIES	   100 /* attempts to open a file while other processes replace it */
#define REPLACE_MS 2000
#define STEP_MS	   5
#define HELPERS_MS 2000 /* ms: a helper ends after its process, as soon as it is scheduled */
#define ENDING_MS  10	/* ms: a process that ends gives up its locks a moment before */

static struct flock one_byte(off_t which)
{
	return (struct flock){
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = which, .l_len = 1};
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int read_pid(int fd)
{
	char pid[16] = "";

	if (pread(fd, pid, sizeof(pid) - 1, 0) < 0)
		return 0;
	return atoi(pid);
}

static int sign(int fd)
{
	char pid[16];
	int len = snprintf(pid, sizeof(pid), "%d\n", getpid());

	/*
	 * Not emptied first: on a full file system, a supervisor that takes over could not get the
	 * page back. A reader stops at the newline.
	 */
	ssize_t n = pwrite(fd, pid, (size_t)len, 0);

	if (n != len)
		return n < 0 ? -errno : -ENOSPC;
	return ftruncate(fd, len) < 0 ? -errno : 0;
}

/*
 * The process that holds the flock(2) lock, from the kernel's list, which every user may read but
 * which a service manager may hide. Returns 0 if there is none or it is unknown. This also finds
 * supervisors of earlier versions, which lock no bytes. The kernel waits for all processors before
 * it shows the list (locks_start() of fs/locks.c: some 10 ms), so it is the last resort.
 */
static int listed_holder(const char *path)
{
	_cleanup_file_ FILE *f = held_fopen("/proc/locks", O_RDONLY);
	unsigned major_id, minor_id;
	unsigned long inode;
	struct stat st;
	char line[256];
	int pid;

	if (!f || held_stat(path, &st) < 0)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &major_id, &minor_id,
			   &inode) == 4 &&
		    inode == st.st_ino && makedev(major_id, minor_id) == st.st_dev)
			return pid;
	return 0;
}

/* The real user of a process. False: that cannot be told. */
static bool user_of(int pid, uid_t *ret_uid)
{
	char path[64], line[256];
	_cleanup_file_ FILE *f = NULL;
	unsigned uid;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = held_fopen(path, O_RDONLY);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Uid: %u", &uid) == 1) {
			*ret_uid = uid;
			return true;
		}
	return false;
}

/* One process at a time replaces files in this directory. */
static int lock_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char text[PATH_MAX + 16];
	_cleanup_fd_ int fd = -1;

	snprintf(text, sizeof(text), "%.*sreplace.lock", slash ? (int)(slash - path) + 1 : 0, path);
	fd = held_open(text, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	for (int ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; ms += STEP_MS) {
		if (errno != EWOULDBLOCK || ms >= REPLACE_MS)
			return errno == EWOULDBLOCK ? -ETIMEDOUT : -errno;
		usleep(STEP_MS * 1000);
	}
	return TAKE_FD(fd);
}

/* True if the file's lock is held by a process of this user, or by one that cannot be seen. */
static bool is_ours(const char *path)
{
	uid_t user;

	return !user_of(listed_holder(path), &user) || user == geteuid();
}

/*
 * Replaces a lock file that other users may have open and could lock at any time. Returns -EBUSY
 * while a supervisor of an earlier version holds the lock.
 */
static int replace(const char *path, int fd)
{
	char temp[PATH_MAX + 16];
	_cleanup_fd_ int directory = lock_directory(path);
	_cleanup_fd_ int new_fd = -1;
	struct stat old, now;

	if (directory < 0)
		return directory;
	if (fstat(fd, &old) < 0)
		return -errno;
	if (held_stat(path, &now) < 0 || !same_file(&old, &now))
		return 0; /* another process has done it */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && is_ours(path))
		return -EBUSY;
	snprintf(temp, sizeof(temp), "%s.new", path);
	held_unlink(temp);
	new_fd = held_open(temp, O_RDWR | O_CREAT | O_EXCL, 0600);
	return new_fd < 0 || held_rename(temp, path) < 0 ? -errno : 0;
}

/* 0 with *ret_fd; -EBUSY with *ret_holder; -ESTALE: the file was replaced, try again; others. */
static int try_take(const char *path, int *ret_fd, int *ret_holder)
{
	_cleanup_fd_ int fd = held_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	struct flock held = one_byte(BYTE_HELD);
	struct stat mine, now;
	int ret;

	if (fd < 0 || fstat(fd, &mine) < 0)
		return -errno;
	*ret_holder = read_pid(fd);
	if (mine.st_mode & 077 || mine.st_uid != geteuid()) {
		ret = replace(path, fd);
		return ret == 0 ? -ESTALE : ret;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (held_stat(path, &now) < 0 || !same_file(&mine, &now))
		return -ESTALE;
	ret = sign(fd);
	/* Last, so that a process that finds the lock held also finds the number. */
	if (ret == 0 && fcntl(fd, F_OFD_SETLK, &held) < 0)
		ret = -errno;
	if (ret == 0)
		*ret_fd = TAKE_FD(fd);
	return ret;
}

/* A process that waits to be reaped has ended, too. */
static bool has_ended(int pid)
{
	struct proc_stat stat;

	if (pid <= 0)
		return false;
	if (kill(pid, 0) < 0 && errno == ESRCH)
		return true;
	return proc_stat_read(pid, &stat) && stat.state == 'Z';
}

/* The device whose lock in this directory the process has; -1: none. */
static int device_of(const char *path, int pid)
{
	_cleanup_free_ char *directory = strndup(path, (size_t)(strrchr(path, '/') - path + 1));
	_cleanup_dir_ DIR *d = directory ? held_opendir(directory) : NULL;
	int index, end;

	for (struct dirent *e; d && (e = readdir(d));) {
		_cleanup_fd_ int fd = -1;

		end = 0;
		if (sscanf(e->d_name, "nbd%d.lock%n", &index, &end) != 1 || !end || e->d_name[end])
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 && read_pid(fd) == pid)
			return index;
	}
	return -1;
}

/* The systemd unit of ours that the process belongs to. Other units only started the process. */
static bool unit_of(int pid, char *unit, size_t size)
{
	char path[64], line[512];
	_cleanup_file_ FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	f = held_fopen(path, O_RDONLY);
	while (f && fgets(line, sizeof(line), f)) {
		char *name = strstr(line, "/nbd-attach");
		size_t len = name ? strcspn(name + 1, "/\n") : 0;

		if (len > strlen(".service") && len < size &&
		    memcmp(name + 1 + len - 8, ".service", 8) == 0) {
			snprintf(unit, size, "%.*s", (int)len, name + 1);
			return true;
		}
	}
	return false;
}

static int explain_held(const char *path, const char *what, int holder, struct err *err)
{
	char device[32] = "", as[32] = "", unit[300];
	int index = holder ? device_of(path, holder) : -1;

	snprintf(device, sizeof(device), "/dev/nbd%d", index);
	if (index >= 0 && strcmp(device, what) != 0)
		snprintf(as, sizeof(as), " as %s", device);
	if (index < 0)
		return err_set(err, ERR_BUSY, EBUSY,
			       "%s is attached already by the nbd-attach process %d: detach it "
			       "first",
			       what, holder);
	if (unit_of(holder, unit, sizeof(unit)))
		return err_set(err, ERR_BUSY, EBUSY,
			       "%s is attached already%s, by the unit %s: `systemctl stop %s` "
			       "detaches it",
			       what, as, unit, unit);
	return err_set(err, ERR_BUSY, EBUSY,
		       "%s is attached already%s, by the nbd-attach process %d: `nbd-attach "
		       "--detach nbd%d` detaches it",
		       what, as, holder, index);
}

int lock_take(const char *path, const char *what, int *ret_fd, struct err *err)
{
	int ret = -ESTALE, holder = 0;

	for (int i = 0; i < TRIES && ret == -ESTALE; i++)
		ret = try_take(path, ret_fd, &holder);
	/*
	 * If the holder was killed, a helper that it had just forked may hold the lock for a moment
	 * longer.
	 */
	for (int ms = 0; ret == -EBUSY && has_ended(holder) && ms < HELPERS_MS; ms += STEP_MS) {
		usleep(STEP_MS * 1000);
		ret = try_take(path, ret_fd, &holder);
	}
	/* A number of another PID namespace says nothing here: the kernel lists another one. */
	if (ret == -EBUSY && has_ended(holder) && listed_holder(path) == holder)
		return err_set(
		    err, ERR_RETRY, EBUSY,
		    "%s cannot be attached yet: its supervisor, the process %d, has ended, "
		    "but the kernel still works for it",
		    what, holder);
	if (ret == -EBUSY)
		return explain_held(path, what, holder, err);
	return ret < 0 ? err_errno(err, ERR_SYSTEM, -ret, "cannot lock %s", path) : 0;
}

int lock_inherit(const char *path, int fd)
{
	struct stat mine, now;

	if (fstat(fd, &mine) < 0 || held_stat(path, &now) < 0)
		return -errno;
	if (!same_file(&mine, &now))
		return -ESTALE;
	/* The open file that has the lock gets it again, and no other one does. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

int lock_sign(int fd)
{
	return sign(fd);
}

int lock_identify(int fd)
{
	struct flock process = one_byte(BYTE_PROCESS);

	return fcntl(fd, F_SETLK, &process) < 0 ? -errno : 0;
}

int lock_holder(const char *path)
{
	_cleanup_fd_ int fd = held_open(path, O_RDONLY | O_NOFOLLOW, 0);

	if (fd < 0 && errno == ENOENT)
		return 0;
	for (int ms = 0; fd >= 0 && ms <= ENDING_MS; ms++) {
		struct flock held = one_byte(BYTE_HELD);
		int pid;

		if (fcntl(fd, F_OFD_GETLK, &held) == 0 && held.l_type != F_UNLCK)
			return read_pid(fd);
		/*
		 * The last holder has ended. A new one may be about to write its number: it is none
		 * yet.
		 */
		pid = read_pid(fd);
		if (has_ended(pid))
			return 0;
		if (pid <= 0)
			break; /* a file without a number says nothing, however often it is read */
		usleep(1000);
	}
	return listed_holder(path);
}

int lock_live_holder(const char *path)
{
	int holder = lock_holder(path);

	return has_ended(holder) ? 0 : holder;
}

/* The holder according to the kernel; 0: none. */
static int identified_holder(const char *path, int fd)
{
	struct flock process = one_byte(BYTE_PROCESS);

	if (fcntl(fd, F_GETLK, &process) == 0 && process.l_type != F_UNLCK)
		return process.l_pid;
	return listed_holder(path);
}

int lock_pidfd(const char *path)
{
	_cleanup_fd_ int fd = held_open(path, O_RDONLY | O_NOFOLLOW, 0);
	_cleanup_fd_ int pidfd = -1;
	int pid = fd < 0 ? 0 : identified_holder(path, fd);

	if (pid <= 0)
		return -1;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* If the process still holds the lock, its number has not been reused. */
	if (pidfd < 0 || identified_holder(path, fd) != pid)
		return -1;
	return TAKE_FD(pidfd);
}
