/* SPDX-License-Identifier: MIT */
/* Simulated /proc and /sys trees for kernel/usage.c. After cmocka.h. */
#ifndef USAGE_FIXTURE_H
#define USAGE_FIXTURE_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/usage.h"
#include "tree-fixture.h"

static char top[64], proc[80], sys[80], md[80];

static void begin_tree(void)
{
	strcpy(top, "/tmp/test-usage-XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(proc, sizeof(proc), "%s/proc", top);
	snprintf(sys, sizeof(sys), "%s/sys", top);
	snprintf(md, sizeof(md), "%s/md", top);
}

/* Makes the directories on the way to `path`, which is below `top`. */
static void make_parents(const char *path)
{
	char part[256];

	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(part, sizeof(part), "%s/%.*s", top, (int)(p - path), path);
		if (mkdir(part, 0755) < 0)
			assert_int_equal(errno, EEXIST);
	}
}

static void file(const char *path, const char *text)
{
	char full[256];
	FILE *f;

	make_parents(path);
	snprintf(full, sizeof(full), "%s/%s", top, path);
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void link_to(const char *path, const char *target)
{
	char full[256];

	make_parents(path);
	snprintf(full, sizeof(full), "%s/%s", top, path);
	assert_int_equal(symlink(target, full), 0);
}

static void process(int pid, const char *comm)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/comm", pid);
	file(path, comm);
	snprintf(path, sizeof(path), "proc/%d/fd/0", pid);
	link_to(path, "/dev/zero");
}

#endif
