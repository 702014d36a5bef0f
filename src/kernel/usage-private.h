/* SPDX-License-Identifier: MIT */
/* What usage.c and usage-process.c share. Nothing else includes it. */
#ifndef KERNEL_USAGE_PRIVATE_H
#define KERNEL_USAGE_PRIVATE_H

#include <stdio.h>

#include "base/text.h"
#include "kernel/usage.h"

#define USAGE_PATH_MAX 512
#define USAGE_NODES    257 /* the disk and the 256 partitions Linux allows at most */
/*
 * Mount namespaces looked into. Sandboxed services have one each, and so has what users start in
 * their own namespaces.
 */
#define USAGE_SPACES 1024
/* Devices on top of the disk: the logical volumes of a group can be many, but few are named. */
#define USAGE_HOLDERS	 32
#define USAGE_LABEL_SIZE 160

struct usage_node {
	dev_t dev;
	int part;     /* 0: the disk */
	int holder;   /* the place in `labels` of a device on top of the disk; -1: it is none */
	bool mounted; /* named already as mounted */
};

struct usage_scan {
	const char *proc, *sys, *md; /* md: the directory of the links to RAID devices */
	int index;
	pid_t self, skip;
	struct usage *usage;
	struct text text; /* of usage->sentence */
	size_t n_nodes;
	struct usage_node nodes[USAGE_NODES + USAGE_HOLDERS];
	const struct usage_node *open; /* what the process that is examined has open */
	int n_holders;
	char labels[USAGE_HOLDERS][USAGE_LABEL_SIZE]; /* "the logical volume vg/data" */
};

/* Scans of several devices, for which each process is examined once. */
struct usage_scans {
	struct usage_scan *scan; /* n of them */
	size_t n;
	size_t n_spaces;
	ino_t spaces[USAGE_SPACES]; /* mount namespaces that were seen */
	bool types_read;
	char types[4096]; /* /proc/filesystems, which lists some dozens */
};

/* The disk or partition with this number, or NULL. */
struct usage_node *usage_node_of(struct usage_scan *s, dev_t dev);

/* Adds the device with this directory in sysfs. False: it has no number, or there are too many. */
bool usage_add_node(struct usage_scan *s, const char *directory, int part, int holder);

/*
 * Finds the devices that are built on a node, and those built on these: each is a user, and is
 * added as a node, so that its own users are found too.
 */
void usage_holders(struct usage_scan *s, const struct usage_node *node);

/* Counts a user and starts its clause: `/dev/nbd0p1 is `. False: enough are named. */
bool usage_begin(struct usage_scan *s, const struct usage_node *node);

/*
 * Mounts listed in an open mountinfo file. `where` tells of which process, NULL is ours. Many
 * namespaces hold copies of our mounts, which follow ours: of those, none is named.
 */
void usage_mounts(struct usage_scans *all, FILE *mountinfo, const char *where);

/* Swap areas listed in an open /proc/swaps. */
void usage_swaps(struct usage_scans *all, FILE *swaps);

/* Every process: descriptors, mappings, mount namespaces. 0 or -errno. */
int usage_processes(struct usage_scans *all);

#endif
