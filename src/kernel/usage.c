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

static void put_quoted(struct text *t, const char *s)
{
	text_quote(t, s, strlen(s), 80);
}

/* Looks up only paths that can be a device, because a path on a dead file server would block. */
static struct usage_node *node_at_path(struct usage_scan *s, const char *path)
{
	struct statx stx;

	if (path[0] != '/' || !strstr(path, "/dev/") ||
	    statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
		return NULL;
	if (stx.stx_rdev_major == 0 && stx.stx_rdev_minor == 0)
		return NULL;
	return usage_node_of(s, makedev(stx.stx_rdev_major, stx.stx_rdev_minor));
}

static void read_types(struct usage_scan *s)
{
	char path[USAGE_PATH_MAX];
	_cleanup_file_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/filesystems", s->proc);
	f = fopen(path, "re");
	if (f)
		(void)!fread(s->types, 1, sizeof(s->types) - 1, f);
	s->types_read = true;
}

/*
 * The source of a file system that needs no device is any text. Users mount such ones (FUSE, or
 * tmpfs in a namespace of their own), and could claim to use a device that way.
 */
static bool needs_device(struct usage_scan *s, const char *type)
{
	const char *line;
	size_t len = strcspn(type, "."); /* "fuse.sshfs" */

	if (!s->types_read)
		read_types(s);
	for (line = s->types; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "nodev\t", 6) == 0 && strncmp(line + 6, type, len) == 0 &&
		    line[6 + len] == '\n')
			return false;
	}
	return true;
}

/*
 * One line: 36 35 98:0 /root /mount-point options [optional...] - type source super-options.
 * btrfs and others have device numbers of their own, so the source counts too.
 */
static void mount_line(struct usage_scan *s, char *line, const char *where)
{
	struct usage_node *node;
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
	node = usage_node_of(s, makedev(major, minor));
	if (!node && source && needs_device(s, type)) {
		text_unescape_octal(source);
		node = node_at_path(s, source);
	}
	if (!node || (where && node->mounted))
		return;
	node->mounted = true;
	if (!usage_begin(s, node))
		return;
	text_unescape_octal(field[4]);
	text_str(&s->text, "mounted on ");
	put_quoted(&s->text, field[4]);
	if (where) {
		text_str(&s->text, " (in the mount namespace of ");
		text_str(&s->text, where);
		text_str(&s->text, ")");
	}
}

void usage_mounts(struct usage_scan *s, FILE *mountinfo, const char *where)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, mountinfo) >= 0)
		mount_line(s, line, where);
}

void usage_swaps(struct usage_scan *s, FILE *swaps)
{
	_cleanup_free_ char *line = NULL;
	const struct usage_node *node;
	size_t size = 0;

	while (getline(&line, &size, swaps) >= 0) {
		line[strcspn(line, " \t")] = '\0';
		text_unescape_octal(line);
		node = node_at_path(s, line);
		if (node && usage_begin(s, node))
			text_str(&s->text, "used for swap");
	}
}

static void find_swaps(struct usage_scan *s)
{
	char path[USAGE_PATH_MAX];
	_cleanup_file_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/swaps", s->proc);
	f = fopen(path, "re");
	if (f)
		usage_swaps(s, f);
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
static void find_loops(struct usage_scan *s)
{
	char path[USAGE_PATH_MAX], file[4096];
	_cleanup_dir_ DIR *d = NULL;
	const struct usage_node *node;
	struct dirent *e;

	snprintf(path, sizeof(path), "%s/block", s->sys);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		_cleanup_file_ FILE *f = NULL;

		if (strncmp(e->d_name, "loop", 4) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/block/%s/loop/backing_file", s->sys, e->d_name);
		f = fopen(path, "re");
		if (!f || !fgets(file, sizeof(file), f))
			continue;
		file[strcspn(file, "\n")] = '\0';
		node = node_at_path(s, file);
		if (node && usage_begin(s, node)) {
			text_str(&s->text, "the backing device of /dev/");
			text_escape(&s->text, e->d_name, strlen(e->d_name), 60);
		}
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
	char disk[USAGE_PATH_MAX / 2], path[USAGE_PATH_MAX], prefix[32];
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *e;
	int len;

	snprintf(disk, sizeof(disk), "%s/block/nbd%d", s->sys, s->index);
	len = snprintf(prefix, sizeof(prefix), "nbd%dp", s->index);
	if (!usage_add_node(s, disk, 0, -1))
		return errno ? -errno : -ENODEV;
	d = opendir(disk);
	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, prefix, (size_t)len) != 0 ||
		    snprintf(path, sizeof(path), "%s/%s", disk, e->d_name) >= (int)sizeof(path))
			continue;
		usage_add_node(s, path, atoi(e->d_name + len), -1);
	}
	return 0;
}

static int look(struct usage_scan *s, struct err *err)
{
	char path[USAGE_PATH_MAX];
	int ret = find_nodes(s);
	size_t n = s->n_nodes;

	if (ret < 0)
		return err_errno(err, ERR_SYSTEM, -ret,
				 "cannot tell who uses /dev/nbd%d: sysfs cannot be read", s->index);
	for (size_t i = 0; i < n; i++) {
		usage_holders(s, &s->nodes[i]);
		find_btrfs(s, &s->nodes[i]);
	}
	find_swaps(s);
	find_loops(s);
	{
		_cleanup_file_ FILE *f = NULL;

		snprintf(path, sizeof(path), "%s/self/mountinfo", s->proc);
		f = fopen(path, "re");
		if (!f)
			return err_errno(err, ERR_SYSTEM, errno,
					 "cannot tell who uses /dev/nbd%d: /proc cannot be read",
					 s->index);
		usage_mounts(s, f, NULL);
	}
	ret = usage_processes(s);
	if (ret < 0)
		err_errno(err, ERR_SYSTEM, -ret,
			  "cannot tell who uses /dev/nbd%d: /proc cannot be read", s->index);
	return ret;
}

int usage_find_at(const char *proc, const char *sys, const char *md, int index, pid_t skip,
		  struct usage *ret_usage, struct err *err)
{
	struct usage usage = {0};
	struct usage_scan s = {.proc = proc,
			       .sys = sys,
			       .md = md,
			       .index = index,
			       .self = getpid(),
			       .skip = skip,
			       .usage = &usage};
	int ret;

	errno = 0;
	text_init(&s.text, usage.sentence, sizeof(usage.sentence));
	ret = look(&s, err);
	if (ret < 0)
		return ret;
	if (usage.n > NAMED_MAX) {
		text_str(&s.text, "; and there are ");
		text_u64(&s.text, usage.n - NAMED_MAX);
		text_str(&s.text, " more users");
	}
	*ret_usage = usage;
	return 0;
}

int usage_find(int index, pid_t skip, struct usage *ret_usage, struct err *err)
{
	return usage_find_at("/proc", sysfs_root(), "/dev/md", index, skip, ret_usage, err);
}
