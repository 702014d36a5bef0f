/* SPDX-License-Identifier: MIT */
/* For tests that make a tree of files. After cmocka.h. */
#ifndef TREE_FIXTURE_H
#define TREE_FIXTURE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static inline int tree_remove_one(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Removes a directory and all in it. 0, or -1. */
static inline int tree_remove(const char *root)
{
	return nftw(root, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file of the tree; its directory must exist. */
static inline void tree_put(const char *root, const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Makes a tree from a template of mkdtemp(3), with the directories that nbd0 has in sysfs. */
static inline void tree_make_device(char *root)
{
	static const char *const directories[] = {"block", "block/nbd0", "block/nbd0/queue"};
	char path[128];

	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, directories[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
}

#endif
