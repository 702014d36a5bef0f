/* SPDX-License-Identifier: MIT */
#include "runtime/marks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/held.h"
#include "runtime/rundir.h"

#define UNIT_MAX  255
#define KEEP_NONE 0

static struct rundir_path path_of(int index, int pid, const char *suffix)
{
	char end[32];

	snprintf(end, sizeof(end), "%d.%s", pid, suffix);
	return rundir_device(index, end);
}

/* True if `name` is a mark of device `index` and of another attachment than `pid`. */
static bool is_stale(const char *name, int index, int pid)
{
	int its_index, its_pid, end = 0;

	if (sscanf(name, "nbd%d.%d.%n", &its_index, &its_pid, &end) != 2 || end == 0 ||
	    its_index != index || its_pid == pid)
		return false;
	return strcmp(name + end, "udev") == 0 || strcmp(name + end, "lost") == 0;
}

static void remove_others(int index, int pid)
{
	_cleanup_dir_ DIR *d = held_opendir(rundir());
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (is_stale(e->d_name, index, pid))
			unlinkat(dirfd(d), e->d_name, 0);
}

/* Writes under another name first, so that udev never reads an incomplete file. */
static int replace(const struct rundir_path *path, const char *text)
{
	char new_path[sizeof(path->text) + 4];
	_cleanup_fd_ int fd = -1;
	size_t len = strlen(text);
	ssize_t n;
	int ret = 0;

	snprintf(new_path, sizeof(new_path), "%s.new", path->text);
	fd = held_open(new_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n != (ssize_t)len)
		ret = n < 0 ? -errno : -ENOSPC;
	else if (held_rename(new_path, path->text) < 0)
		ret = -errno;
	if (ret < 0)
		held_unlink(new_path);
	return ret;
}

/*
 * Only the file's name counts, and a full /run still has room for a name. The text is for people.
 */
static int set_lost(const struct rundir_path *path, const char *text)
{
	int ret = replace(path, text);

	return ret == -ENOSPC ? replace(path, "") : ret;
}

static bool has_text(const struct rundir_path *path, const char *text)
{
	_cleanup_fd_ int fd = held_open(path->text, O_RDONLY, 0);
	char buf[1024];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	return n >= 0 && (size_t)n == strlen(text) && memcmp(buf, text, (size_t)n) == 0;
}

int marks_set(const struct marks *m, bool *ret_changed)
{
	struct rundir_path udev = path_of(m->index, m->pid, "udev");
	struct rundir_path lost = path_of(m->index, m->pid, "lost");
	bool was_lost = held_access(lost.text) == 0, changed = was_lost != m->lost;
	char text[640];
	int ret = 0, lost_ret = 0;

	remove_others(m->index, m->pid);
	snprintf(text, sizeof(text), "NBD_ATTACH_NAME=%s\nNBD_ATTACH_PID=%d\n%s%s%s%s", m->name,
		 m->pid, m->no_scan ? "NBD_ATTACH_NOSCAN=1\n" : "",
		 m->unit ? "NBD_ATTACH_UNIT=" : "", m->unit ? m->unit : "", m->unit ? "\n" : "");
	if (!has_text(&udev, text)) {
		changed = true;
		ret = replace(&udev, text);
	}
	if (m->lost && !was_lost)
		lost_ret = set_lost(&lost, m->backend);
	else if (!m->lost && was_lost)
		held_unlink(lost.text);
	if (ret < 0 || lost_ret < 0)
		return ret < 0 ? ret : lost_ret;
	*ret_changed = changed;
	return 0;
}

int marks_holder(const struct marks *m, const char *holder, const char *slave)
{
	struct rundir_path path;
	char text[256];

	if (snprintf(path.text, sizeof(path.text), "%s/%s.holder", rundir(), holder) >=
	    (int)sizeof(path.text))
		return -ENAMETOOLONG;
	if (!m->lost)
		return held_unlink(path.text) < 0 && errno != ENOENT ? -errno : 0;
	snprintf(text, sizeof(text),
		 "NBD_ATTACH_SLAVE=%s\nNBD_ATTACH_DISK=nbd%d\nNBD_ATTACH_PID=%d\n", slave, m->index,
		 m->pid);
	return replace(&path, text);
}

int marks_expect(int index, bool no_scan)
{
	struct rundir_path path = rundir_device(index, "noscan");

	if (no_scan)
		return replace(&path, "");
	return held_unlink(path.text) < 0 && errno != ENOENT ? -errno : 0;
}

void marks_remove(int index)
{
	marks_expect(index, false);
	remove_others(index, KEEP_NONE);
}

bool marks_unit_ok(const char *unit)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789@:_.\\-";
	size_t len = strlen(unit);

	return len > 0 && len <= UNIT_MAX && unit[0] != '-' && strspn(unit, allowed) == len;
}
