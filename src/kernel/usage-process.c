/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/libc.h"
#include "kernel/claim.h"
#include "kernel/udev.h"
#include "kernel/usage-private.h"

/* include/linux/proc_ns.h, PROC_PID_INIT_INO: the first PID namespace's number. */
#define INIT_PID_SPACE 0xeffffffcu

struct process {
	struct usage_scans *all;
	int dir; /* /proc/PID */
	int pid;
};

/* `process 123 ("fio")` */
static void put_process(struct text *t, const struct process *p)
{
	_cleanup_fd_ int fd = openat(p->dir, "comm", O_RDONLY | O_CLOEXEC);
	char comm[64];
	ssize_t n = fd < 0 ? 0 : read(fd, comm, sizeof(comm));

	text_str(t, "process ");
	text_u64(t, (uint64_t)p->pid);
	if (n > 1) {
		text_str(t, " (");
		text_quote(t, comm, (size_t)n - 1, 32);
		text_str(t, ")");
	}
}

/*
 * A user's FUSE mount answers only that user, not even root (most desktops have one). It is no
 * doubt: devices do not work there. Asks no file server either.
 */
static bool private_without_devices(int dir, const char *name)
{
	_cleanup_fd_ int fd = openat(dir, name, O_PATH | O_CLOEXEC);
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC &&
	       fs.f_flags & ST_NODEV;
}

static void doubt(struct usage_scans *all)
{
	for (size_t i = 0; i < all->n; i++)
		all->scan[i].usage->unsure = true;
}

/*
 * Follows a link of /proc to what it stands for, without asking a file server. The result is true
 * when a node of each scan has been found open in this process.
 */
static bool note_node(const struct process *p, int dir, const char *name)
{
	struct usage_scans *all = p->all;
	struct statx stx;
	size_t found = 0;

	if (statx(dir, name, AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0) {
		/* root may read the names of links that it may not follow without CAP_SYS_PTRACE */
		if (errno == EPERM || (errno == EACCES && !private_without_devices(dir, name)))
			doubt(all);
		return false;
	}
	if ((stx.stx_mode & S_IFMT) == S_IFREG)
		return false;
	for (size_t i = 0; i < all->n; i++) {
		struct usage_scan *s = &all->scan[i];

		if (!s->open)
			s->open = usage_node_of(s, makedev(stx.stx_rdev_major, stx.stx_rdev_minor));
		found += s->open != NULL;
	}
	return found == all->n;
}

static DIR *open_dir(int dir, const char *name)
{
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		(void)TAKE_FD(fd);
	return d;
}

/* Returns -errno if the process cannot be examined. */
static int find_open(const struct process *p)
{
	_cleanup_dir_ DIR *d = open_dir(p->dir, "fd");
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && note_node(p, dirfd(d), e->d_name))
			break;
	return 0;
}

/* /dev/nbd0, or a node in another directory; a deleted one has something behind its name. */
static bool may_be_node(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && strncmp(name, "/nbd", 4) == 0 && isdigit((unsigned char)name[4]);
}

/*
 * A mapping keeps the device open when the descriptor is closed. The path in `maps` avoids reading
 * map_files for most mappings; a node with another name than nbd's is missed.
 */
static void find_mapped(const struct process *p)
{
	_cleanup_fd_ int fd = openat(p->dir, "maps", O_RDONLY | O_CLOEXEC);
	_cleanup_file_ FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	_cleanup_free_ char *line = NULL;
	char name[128];
	size_t size = 0;

	if (!f)
		return;
	(void)TAKE_FD(fd);
	while (getline(&line, &size, f) >= 0) {
		if (!may_be_node(line))
			continue;
		snprintf(name, sizeof(name), "map_files/%.*s", (int)strcspn(line, " "), line);
		if (note_node(p, p->dir, name))
			break;
	}
}

/* A mount namespace that none of the processes before was in. */
static bool new_space(struct usage_scans *all, int dir)
{
	struct stat st;

	if (fstatat(dir, "ns/mnt", &st, 0) < 0)
		return false;
	for (size_t i = 0; i < all->n_spaces; i++)
		if (all->spaces[i] == st.st_ino)
			return false;
	if (all->n_spaces == ARRAY_SIZE(all->spaces)) {
		doubt(all);
		return false;
	}
	all->spaces[all->n_spaces++] = st.st_ino;
	return true;
}

static void find_mounts(const struct process *p)
{
	_cleanup_fd_ int fd = openat(p->dir, "mountinfo", O_RDONLY | O_CLOEXEC);
	_cleanup_file_ FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	char where[128];
	struct text t;

	if (!f)
		return;
	(void)TAKE_FD(fd);
	text_init(&t, where, sizeof(where));
	put_process(&t, p);
	usage_mounts(p->all, f, where);
}

/*
 * A process of claim.h with this name, or our own child, which reads identifiers under another
 * account. Processes of other users do not count, because any process can take such a name.
 */
static bool is_claim(const struct process *p, const char *name)
{
	_cleanup_fd_ int fd = openat(p->dir, "status", O_RDONLY | O_CLOEXEC);
	char text[1024], first[64];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *uid, *ppid;
	unsigned real;
	int parent;

	if (n < 0)
		return false;
	text[n] = '\0';
	snprintf(first, sizeof(first), "Name:\t%s\n", name);
	if (strncmp(text, first, strlen(first)) != 0)
		return false;
	ppid = strstr(text, "\nPPid:");
	if (ppid && sscanf(ppid, " PPid: %d", &parent) == 1 && parent == getpid())
		return true;
	uid = strstr(text, "\nUid:");
	return uid && sscanf(uid, " Uid: %u", &real) == 1 && (real == 0 || real == geteuid());
}

/* It reads the partition table, or waits for the server to do so: it does not use the device. */
static bool only_looks(const struct process *p)
{
	return is_claim(p, CLAIM_LOOKS);
}

static void count_open(const struct process *p, struct usage_scan *s)
{
	/*
	 * udev opens the device after each change, and after each program that has written to it,
	 * and closes it when it has read it. The process of another detach closes the device when
	 * that detach is over.
	 */
	s->usage->passing += udev_started(s->proc, p->pid) || is_claim(p, CLAIM_HOLDS);
	if (usage_begin(s, s->open)) {
		text_str(&s->text, "open in ");
		put_process(&s->text, p);
	}
}

static bool any_open(const struct usage_scans *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->scan[i].open)
			return true;
	return false;
}

static void look_into(struct usage_scans *all, int pid, int dir)
{
	struct process p = {.all = all, .dir = dir, .pid = pid};
	int ret;

	for (size_t i = 0; i < all->n; i++)
		all->scan[i].open = NULL;
	ret = find_open(&p);
	/* A process that has ended in the meantime (ENOENT, ESRCH) is not in doubt. */
	if (ret == -EACCES || ret == -EPERM)
		doubt(all);
	if (all->n > 1 || !any_open(all))
		find_mapped(&p);
	if (any_open(all) && !only_looks(&p))
		for (size_t i = 0; i < all->n; i++)
			if (all->scan[i].open)
				count_open(&p, &all->scan[i]);
	if (new_space(all, dir))
		find_mounts(&p);
}

/* The kernel's own threads, in ascending order. */
struct kernel_threads {
	int *pid; /* n of them */
	size_t n, room;
};

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/*
 * All are children of the thread 2, kthreadd, and on many machines they are most of the processes.
 * A program that the kernel starts is its child, too. The list may lack some, which are examined
 * like any other process.
 */
static void list_kernel_threads(const char *proc, struct kernel_threads *k)
{
	char path[USAGE_PATH_MAX];
	_cleanup_file_ FILE *f = NULL;
	int pid = 2;

	snprintf(path, sizeof(path), "%s/2/task/2/children", proc);
	f = fopen(path, "re");
	if (!f)
		return;
	do {
		if (k->n == k->room) {
			size_t room = k->room ? 2 * k->room : 256;
			int *more = reallocarray(k->pid, room, sizeof(*more));

			if (!more)
				break;
			k->pid = more;
			k->room = room;
		}
		k->pid[k->n++] = pid;
	} while (fscanf(f, "%d", &pid) == 1);
	if (k->n)
		qsort(k->pid, k->n, sizeof(*k->pid), by_number);
}

/*
 * A kernel thread has no descriptors, and no program. In another PID namespace 2 is any process,
 * but its children have programs.
 */
static bool is_kernel_thread(const struct kernel_threads *k, int proc, int pid)
{
	char name[32], program[8];

	if (!k->n || !bsearch(&pid, k->pid, k->n, sizeof(pid), by_number))
		return false;
	snprintf(name, sizeof(name), "%d/exe", pid);
	return readlinkat(proc, name, program, sizeof(program)) < 0 && errno == ENOENT;
}

static bool to_skip(const struct usage_scans *all, int pid)
{
	for (size_t i = 0; i < all->n; i++)
		if (pid == all->scan[i].self || pid == all->scan[i].skip)
			return true;
	return false;
}

int usage_processes(struct usage_scans *all)
{
	const char *proc = all->scan[0].proc;
	_cleanup_dir_ DIR *d = opendir(proc);
	struct kernel_threads threads = {.pid = NULL};
	char path[USAGE_PATH_MAX];
	struct stat st;
	struct dirent *e;

	if (!d)
		return -errno;
	/* Our own mount namespace has been examined already. */
	snprintf(path, sizeof(path), "%s/self/ns/mnt", proc);
	if (stat(path, &st) == 0)
		all->spaces[all->n_spaces++] = st.st_ino;
	/* In its own PID namespace, this process sees only some of the other processes. */
	snprintf(path, sizeof(path), "%s/self/ns/pid", proc);
	if (stat(path, &st) < 0 || st.st_ino != INIT_PID_SPACE)
		doubt(all);
	list_kernel_threads(proc, &threads);
	/*
	 * If /proc is mounted with hidepid, it shows only processes that this one may examine,
	 * which excludes the first one.
	 */
	snprintf(path, sizeof(path), "%s/1", proc);
	if (access(path, F_OK) < 0)
		doubt(all);
	while ((e = readdir(d))) {
		_cleanup_fd_ int dir = -1;
		int pid = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : 0;

		if (pid == 0 || to_skip(all, pid) || is_kernel_thread(&threads, dirfd(d), pid))
			continue;
		dir = openat(dirfd(d), e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0)
			look_into(all, pid, dir);
	}
	free(threads.pid);
	return 0;
}
