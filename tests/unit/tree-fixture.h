/* SPDX-License-Identifier: MIT */
/* For tests that make a tree of files. */
#ifndef TREE_FIXTURE_H
#define TREE_FIXTURE_H

#include <ftw.h>
#include <stdio.h>

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

#endif
