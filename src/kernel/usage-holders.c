/* SPDX-License-Identifier: MIT */
/* Devices that are built on a disk: what device mapper and RAID make. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/usage-private.h"

static bool read_line(const struct usage_scan *s, const char *holder, const char *name, char *buf,
		      size_t size)
{
	char path[USAGE_PATH_MAX];
	_cleanup_file_ FILE *f = NULL;

	if (snprintf(path, sizeof(path), "%s/block/%s/%s", s->sys, holder, name) >=
	    (int)sizeof(path))
		return false;
	f = fopen(path, "re");
	if (!f || !fgets(buf, (int)size, f))
		return false;
	buf[strcspn(buf, "\n")] = '\0';
	return buf[0] != '\0';
}

/*
 * LVM joins the names of the group and of the volume by a hyphen, and doubles those within the
 * names. A layer of a volume ("_rimage_0") stays in its name.
 */
static void put_volume(struct text *t, char *name)
{
	char *to = name;

	for (const char *from = name; *from; from++) {
		if (*from != '-')
			*to++ = *from;
		else if (from[1] == '-')
			*to++ = *from++;
		else
			*to++ = '/';
	}
	*to = '\0';
	text_str(t, "the logical volume ");
	text_escape(t, name, strlen(name), 100);
}

/* Names a RAID by its link, as in "/dev/md/data"; without one, by its number. */
static void put_raid(const struct usage_scan *s, struct text *t, const char *holder)
{
	char path[USAGE_PATH_MAX], target[USAGE_PATH_MAX];
	_cleanup_dir_ DIR *d = opendir(s->md);
	struct dirent *e;
	ssize_t len;

	text_str(t, "the RAID ");
	while (d && (e = readdir(d))) {
		const char *base;

		if (snprintf(path, sizeof(path), "%s/%s", s->md, e->d_name) >= (int)sizeof(path))
			continue;
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		base = strrchr(target, '/');
		if (strcmp(base ? base + 1 : target, holder) != 0)
			continue;
		text_str(t, "/dev/md/");
		text_escape(t, e->d_name, strlen(e->d_name), 100);
		return;
	}
	text_escape(t, holder, strlen(holder), 60);
}

/* Names a device as its user knows it, not as "dm-0". */
static void describe(const struct usage_scan *s, const char *holder, char *label)
{
	char name[256], uuid[256] = "";
	struct text t;

	text_init(&t, label, USAGE_LABEL_SIZE);
	if (!read_line(s, holder, "dm/name", name, sizeof(name))) {
		if (strncmp(holder, "md", 2) == 0)
			put_raid(s, &t, holder);
		else
			text_escape(&t, holder, strlen(holder), 60);
		return;
	}
	read_line(s, holder, "dm/uuid", uuid, sizeof(uuid));
	if (strncmp(uuid, "LVM-", 4) == 0) {
		put_volume(&t, name);
		return;
	}
	text_str(&t, strncmp(uuid, "CRYPT-LUKS", 10) == 0 ? "the LUKS device "
		     : strncmp(uuid, "CRYPT-", 6) == 0	  ? "the encrypted device "
							  : "the device-mapper device ");
	text_escape(&t, name, strlen(name), 100);
}

/* Every entry of a directory of sysfs that says what is built on a device. */
static void look_at(struct usage_scan *s, const char *directory, const struct usage_node *node)
{
	char path[USAGE_PATH_MAX];
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *e;

	if (snprintf(path, sizeof(path), "%s/block/%s/holders", s->sys, directory) >=
	    (int)sizeof(path))
		return;
	d = opendir(path);
	while (d && (e = readdir(d))) {
		char label[USAGE_LABEL_SIZE];
		int place = s->n_holders;
		size_t n = s->n_nodes;

		if (e->d_name[0] == '.')
			continue;
		describe(s, e->d_name, label);
		if (usage_begin(s, node)) {
			text_str(&s->text, "part of ");
			text_str(&s->text, label);
		}
		if (place == USAGE_HOLDERS ||
		    snprintf(path, sizeof(path), "%s/block/%s", s->sys, e->d_name) >=
			(int)sizeof(path) ||
		    !usage_add_node(s, path, 0, place))
			continue;
		if (usage_node_of(s, s->nodes[n].dev) != &s->nodes[n]) {
			s->n_nodes = n; /* it is on several of our devices, and was found before */
			continue;
		}
		memcpy(s->labels[place], label, sizeof(label));
		s->n_holders++;
		look_at(s, e->d_name, &s->nodes[n]); /* at most USAGE_HOLDERS deep */
	}
}

void usage_holders(struct usage_scan *s, const struct usage_node *node)
{
	char directory[64];

	if (node->part)
		snprintf(directory, sizeof(directory), "nbd%d/nbd%dp%d", s->index, s->index,
			 node->part);
	else
		snprintf(directory, sizeof(directory), "nbd%d", s->index);
	look_at(s, directory, node);
}
