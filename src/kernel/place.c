/* SPDX-License-Identifier: MIT */
#include "kernel/place.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "kernel/root.h"

int place_disk(const char *name)
{
	int index, part, end = 0;

	if (sscanf(name, "nbd%d%n", &index, &end) == 1 && end && !name[end] && index >= 0)
		return index;
	end = 0;
	if (sscanf(name, "nbd%dp%d%n", &index, &part, &end) == 2 && end && !name[end] && index >= 0)
		return index;
	return -1;
}

/* Finds the disk or partition in sysfs by its device number. */
static int by_number(const char *sys, const char *number)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/dev/block/%s", sys, number);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	name = strrchr(target, '/');
	return place_disk(name ? name + 1 : target);
}

struct mount {
	char number[32]; /* "43:0" */
	char *source;	 /* "/dev/nbd0"; heap */
};

/* True if the line is of a mount at `dir`; then fills *m anew. */
static bool parse(char *line, const char *dir, struct mount *m)
{
	char *at, *rest, *end, *source;
	int start = 0;
	char number[32];

	if (sscanf(line, "%*d %*d %31s %*s %n", number, &start) != 1 || !start)
		return false;
	at = line + start;
	end = strchr(at, ' ');
	if (!end)
		return false;
	*end = '\0';
	rest = strstr(end + 1, " - ");
	if (rest)
		rest = strchr(rest + 3, ' ');
	if (!rest)
		return false;
	text_unescape_octal(at);
	if (strcmp(at, dir) != 0)
		return false;
	source = strndup(rest + 1, strcspn(rest + 1, " \n"));
	if (!source)
		return false;
	text_unescape_octal(source);
	free(m->source);
	m->source = source;
	memcpy(m->number, number, sizeof(number));
	return true;
}

int place_device_in(FILE *mountinfo, const char *sys, const char *dir, int *ret_index,
		    struct err *err)
{
	char shown[512];
	_cleanup_free_ char *line = NULL;
	struct mount m = {.source = NULL};
	struct text t;
	size_t size = 0;
	int index = -1;

	while (getline(&line, &size, mountinfo) >= 0)
		parse(line, dir, &m);
	text_init(&t, shown, sizeof(shown));
	text_quote(&t, dir, strlen(dir), 200);
	if (!m.source)
		return err_set(err, ERR_FAILED, ENOENT,
			       "nothing is mounted at %s: name a device, its name, or a mount "
			       "point",
			       shown);
	index = by_number(sys, m.number);
	/* Some file systems, as btrfs, have a number of their own. */
	if (index < 0 && strncmp(m.source, "/dev/", 5) == 0)
		index = place_disk(m.source + 5);
	if (index < 0) {
		text_str(&t, " is mounted from ");
		text_quote(&t, m.source, strlen(m.source), 200);
		free(m.source);
		return err_set(err, ERR_FAILED, ENOTBLK, "%s, which is not an NBD device", shown);
	}
	free(m.source);
	*ret_index = index;
	return 0;
}

int place_device_at(const char *proc, const char *sys, const char *dir, int *ret_index,
		    struct err *err)
{
	char path[PATH_MAX];
	_cleanup_file_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/self/mountinfo", proc);
	f = fopen(path, "re");
	if (!f)
		return err_errno(err, ERR_FAILED, errno, "cannot read %s", path);
	return place_device_in(f, sys, dir, ret_index, err);
}

int place_device(const char *dir, int *ret_index, struct err *err)
{
	return place_device_at("/proc", sysfs_root(), dir, ret_index, err);
}
