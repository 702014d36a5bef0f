/* SPDX-License-Identifier: MIT */
#include "kernel/usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "kernel/partition-list.h"
#include "kernel/root.h"
#include "kernel/usage-private.h"

#define NAMED_MAX 6 /* users that the sentence names */

struct usage_node *usage_node_of(struct usage_scan *s, dev_t dev)
{
	for (size_t i = 0; i < s->n_nodes; i++)
		if (s->nodes[i].dev == dev)
			return &s->nodes[i];
	return NULL;
}

static void put_node(struct usage_scan *s, const struct usage_node *node)
{
	if (node->holder >= 0) {
		text_str(&s->text, s->labels[node->holder]);
		return;
	}
	text_str(&s->text, "/dev/nbd");
	text_u64(&s->text, (uint64_t)s->index);
	if (node->part) {
		text_str(&s->text, "p");
		text_u64(&s->text, (uint64_t)node->part);
	}
}

bool usage_begin(struct usage_scan *s, const struct usage_node *node)
{
	if (s->usage->n++ >= NAMED_MAX)
		return false;
	if (s->usage->n > 1)
		text_str(&s->text, "; ");
	put_node(s, node);
	text_str(&s->text, " is ");
	return true;
}

/* Only of paths that can be a device: one on a dead file server would block. 0: it has none. */
static dev_t number_at_path(const char *path)
{
	struct statx stx;

	if (path[0] != '/' || !strstr(path, "/dev/") ||
	    statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
		return 0;
	return makedev(stx.stx_rdev_major, stx.stx_rdev_minor);
}

static void read_types(struct usage_scans *all)
{
	char path[USAGE_PATH_MAX];
	_cleanup_file_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/filesystems", all->scan[0].proc);
	f = fopen(path, "re");
	if (f)
		(void)!fread(all->types, 1, sizeof(all->types) - 1, f);
	all->types_read = true;
}

/*
 * The source of a file system that needs no device is any text. Users mount such ones (FUSE, or
 * tmpfs in a namespace of their own), and could claim to use a device that way.
 */
static bool needs_device(struct usage_scans *all, const char *type)
{
	const char *line;
	size_t len = strcspn(type, "."); /* "fuse.sshfs" */

	if (!all->types_read)
		read_types(all);
	for (line = all->types; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "nodev\t", 6) == 0 && strncmp(line + 6, type, len) == 0 &&
		    line[6 + len] == '\n')
			return false;
	}
	return true;
}

struct mount {
	dev_t dev;
	dev_t source; /* the number of the source, which is looked up once; 0: none */
	const char *point;
};

static void find_mount(struct usage_scan *s, const struct mount *m, const char *where)
{
	struct usage_node *node = usage_node_of(s, m->dev);

	if (!node && m->source)
		node = usage_node_of(s, m->source);
	if (!node || (where && node->mounted))
		return;
	node->mounted = true;
	if (!usage_begin(s, node))
		return;
	text_str(&s->text, "mounted on ");
	text_quote(&s->text, m->point, strlen(m->point), 80);
	if (where) {
		text_str(&s->text, " (in the mount namespace of ");
		text_str(&s->text, where);
		text_str(&s->text, ")");
	}
}

/*
 * One line: 36 35 98:0 /root /mount-point options [optional...] - type source super-options.
 * btrfs and others have device numbers of their own, so the source counts too.
 */
static void mount_line(struct usage_scans *all, char *line, const char *where)
{
	struct mount m;
	unsigned major, minor;
	char *field[5], *rest = line, *type, *source;

	for (size_t i = 0; i < ARRAY_SIZE(field); i++)
		if (!(field[i] = strsep(&rest, " ")) || !rest)
			return;
	rest = strstr(rest, " - ");
	if (!rest || sscanf(field[2], "%u:%u", &major, &minor) != 2)
		return;
	rest += 3;
	type = strsep(&rest, " ");
	source = strsep(&rest, " \n");
	m = (struct mount){.dev = makedev(major, minor), .point = field[4]};
	if (source && needs_device(all, type)) {
		text_unescape_octal(source);
		m.source = number_at_path(source);
	}
	text_unescape_octal(field[4]);
	for (size_t i = 0; i < all->n; i++)
		find_mount(&all->scan[i], &m, where);
}

void usage_mounts(struct usage_scans *all, FILE *mountinfo, const char *where)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, mountinfo) >= 0)
		mount_line(all, line, where);
}

/* A user for which /proc or sysfs names the device by a path. */
static void find_path(struct usage_scans *all, const char *path, const char *use, const char *name)
{
	dev_t dev = number_at_path(path);

	for (size_t i = 0; dev && i < all->n; i++) {
		struct usage_scan *s = &all->scan[i];
		const struct usage_node *node = usage_node_of(s, dev);

		if (!node || !usage_begin(s, node))
			continue;
		text_str(&s->text, use);
		text_escape(&s->text, name, strlen(name), 60);
	}
}

void usage_swaps(struct usage_scans *all, FILE *swaps)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, swaps) >= 0) {
		line[strcspn(line, " \t")] = '\0';
		text_unescape_octal(line);
		find_path(all, line, "used for swap", "");
	}
}

static void find_swaps(struct usage_scans *all)
{
	char path[USAGE_PATH_MAX];
	_cleanup_file_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/swaps", all->scan[0].proc);
	f = fopen(path, "re");
	if (f)
		usage_swaps(all, f);
}

/* A file system on several devices names only one of them as its mount's source. */
static void find_btrfs(struct usage_scan *s, const struct usage_node *node)
{
	char path[USAGE_PATH_MAX], name[64];
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *e;

	snprintf(name, sizeof(name), node->part ? "nbd%dp%d" : "nbd%d", s->index, node->part);
	snprintf(path, sizeof(path), "%s/fs/btrfs", s->sys);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (snprintf(path, sizeof(path), "%s/fs/btrfs/%s/devices/%s", s->sys, e->d_name,
			     name) < (int)sizeof(path) &&
		    e->d_name[0] != '.' && access(path, F_OK) == 0 && usage_begin(s, node)) {
			text_str(&s->text, "part of the btrfs ");
			text_escape(&s->text, e->d_name, strlen(e->d_name), 60);
		}
	}
}

/* The kernel holds a loop device's file open: no process's descriptors show it. */
static void find_loops(struct usage_scans *all)
{
	const char *sys = all->scan[0].sys;
	char path[USAGE_PATH_MAX], file[4096];
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *e;

	snprintf(path, sizeof(path), "%s/block", sys);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		_cleanup_file_ FILE *f = NULL;

		if (strncmp(e->d_name, "loop", 4) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/block/%s/loop/backing_file", sys, e->d_name);
		f = fopen(path, "re");
		if (!f || !fgets(file, sizeof(file), f))
			continue;
		file[strcspn(file, "\n")] = '\0';
		find_path(all, file, "the backing device of /dev/", e->d_name);
	}
}

bool usage_add_node(struct usage_scan *s, const char *directory, int part, int holder)
{
	char path[USAGE_PATH_MAX], text[32];
	_cleanup_file_ FILE *f = NULL;
	unsigned major, minor;

	if (snprintf(path, sizeof(path), "%s/dev", directory) >= (int)sizeof(path) ||
	    s->n_nodes == ARRAY_SIZE(s->nodes))
		return false;
	f = fopen(path, "re");
	if (!f || !fgets(text, sizeof(text), f) || sscanf(text, "%u:%u", &major, &minor) != 2)
		return false;
	s->nodes[s->n_nodes++] =
	    (struct usage_node){.dev = makedev(major, minor), .part = part, .holder = holder};
	return true;
}

/* The numbers of the disk and its partitions. 0 or -errno. */
static int find_nodes(struct usage_scan *s)
{
	char disk[USAGE_PATH_MAX / 2], path[USAGE_PATH_MAX];
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *e;
	int part;

	snprintf(disk, sizeof(disk), "%s/block/nbd%d", s->sys, s->index);
	if (!usage_add_node(s, disk, 0, -1))
		return errno ? -errno : -ENODEV;
	d = opendir(disk);
	while (d && (e = readdir(d))) {
		part = partition_number(s->index, e->d_name);
		if (part &&
		    snprintf(path, sizeof(path), "%s/%s", disk, e->d_name) < (int)sizeof(path))
			usage_add_node(s, path, part, -1);
	}
	return 0;
}

/* What sysfs says of the device itself. 0 or -errno. */
static int look_at_device(struct usage_scan *s)
{
	int ret = find_nodes(s);
	size_t n = s->n_nodes;

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < n; i++) {
		usage_holders(s, &s->nodes[i]);
		find_btrfs(s, &s->nodes[i]);
	}
	return 0;
}

static int find_own_mounts(struct usage_scans *all, const char *proc)
{
	char path[USAGE_PATH_MAX];
	_cleanup_file_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/self/mountinfo", proc);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	usage_mounts(all, f, NULL);
	return 0;
}

static void finish(struct usage_scan *s)
{
	if (s->usage->n <= NAMED_MAX)
		return;
	text_str(&s->text, "; and there are ");
	text_u64(&s->text, s->usage->n - NAMED_MAX);
	text_str(&s->text, " more users");
}

/* All answers. The result is what of the system could not be read, for a sentence. */
static const char *look(struct usage_scans *all, struct usage_question *questions)
{
	const char *proc = all->scan[0].proc, *what = "/proc";
	int ret;

	for (size_t i = 0; i < all->n; i++) {
		errno = 0;
		questions[i].ret = look_at_device(&all->scan[i]);
		if (questions[i].ret < 0)
			what = "sysfs";
	}
	find_swaps(all);
	find_loops(all);
	ret = find_own_mounts(all, proc);
	if (ret == 0)
		ret = usage_processes(all);
	for (size_t i = 0; i < all->n; i++) {
		if (questions[i].ret == 0)
			questions[i].ret = ret;
		finish(&all->scan[i]);
	}
	return what;
}

static void begin(struct usage_scan *s, const char *proc, const char *sys, const char *md,
		  struct usage_question *q)
{
	q->usage = (struct usage){.n = 0};
	*s = (struct usage_scan){.proc = proc,
				 .sys = sys,
				 .md = md,
				 .index = q->index,
				 .self = getpid(),
				 .skip = q->skip,
				 .usage = &q->usage};
	text_init(&s->text, q->usage.sentence, sizeof(q->usage.sentence));
}

int usage_find_at(const char *proc, const char *sys, const char *md, int index, pid_t skip,
		  struct usage *ret_usage, struct err *err)
{
	struct usage_question q = {.index = index, .skip = skip};
	struct usage_scan scan;
	struct usage_scans all = {.scan = &scan, .n = 1};
	const char *what;

	begin(&scan, proc, sys, md, &q);
	what = look(&all, &q);
	if (q.ret < 0)
		return err_errno(err, ERR_SYSTEM, -q.ret,
				 "cannot tell who uses /dev/nbd%d: %s cannot be read", index, what);
	*ret_usage = q.usage;
	return 0;
}

int usage_find(int index, pid_t skip, struct usage *ret_usage, struct err *err)
{
	return usage_find_at("/proc", sysfs_root(), "/dev/md", index, skip, ret_usage, err);
}

void usage_find_several_at(const char *proc, const char *sys, const char *md,
			   struct usage_question *questions, size_t n)
{
	struct usage_scans all = {.n = n};

	all.scan = n ? calloc(n, sizeof(*all.scan)) : NULL;
	for (size_t i = 0; i < n; i++) {
		questions[i].ret = -ENOMEM;
		if (all.scan)
			begin(&all.scan[i], proc, sys, md, &questions[i]);
	}
	if (all.scan)
		look(&all, questions);
	free(all.scan);
}

void usage_find_several(struct usage_question *questions, size_t n)
{
	usage_find_several_at("/proc", sysfs_root(), "/dev/md", questions, n);
}
