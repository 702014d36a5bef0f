/* SPDX-License-Identifier: MIT */
#include "verbs/device.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/conf.h"
#include "cli/name.h"
#include "kernel/device.h"
#include "kernel/place.h"
#include "kernel/sysfs.h"
#include "runtime/rundir.h"
#include "runtime/state.h"
#include "supervise/attach/adopt.h"
#include "runtime/lock.h"

#define BY_NBD "/dev/disk/by-nbd/" /* udev names links there after devices */

/*
 * A supervisor that was killed leaves its file behind, and another program may have attached the
 * device since.
 */
static bool is_current(const struct state *s)
{
	struct rundir_path lock = rundir_device(s->index, "lock");
	char backend[STATE_TEXT_MAX], text[STATE_TEXT_MAX];
	int holder = lock_holder(lock.text);
	struct text t;

	if (holder)
		return holder == s->pid;
	if (adopt_identifier(s->index, backend, sizeof(backend)) < 0)
		return false;
	text_init(&t, text, sizeof(text));
	text_escape(&t, backend, strlen(backend), sizeof(text) / 4);
	return strcmp(text, s->identifier) == 0;
}

static int is_state_file(const struct dirent *d)
{
	return state_file_index(d->d_name) >= 0;
}

struct search {
	const char *name;
	bool link; /* the name is that of a link, which is never the configuration's */
	struct state *state;
	int found, index;
	struct text others;
};

static void look(struct search *s, const char *file)
{
	char device[32];
	struct err err;
	int index = state_file_index(file);

	if (state_read(index, s->state, &err) < 0)
		return;
	if (strcmp(s->state->stable_name, s->name) != 0 &&
	    (s->link || strcmp(s->state->config, s->name) != 0))
		return;
	if (!is_current(s->state))
		return;
	s->index = index;
	snprintf(device, sizeof(device), "%s/dev/nbd%d", s->found++ ? ", " : "", index);
	text_str(&s->others, device);
}

static int search(struct search *s, struct err *err)
{
	struct dirent **file;
	char list[256];
	int n = scandir(rundir(), &file, is_state_file, versionsort);

	text_init(&s->others, list, sizeof(list));
	for (int i = 0; i < n; i++) {
		look(s, file[i]->d_name);
		free(file[i]);
	}
	if (n >= 0)
		free(file);
	if (s->found > 1)
		return err_set(err, ERR_FAILED, EEXIST,
			       "several devices are called %s: use one of %s", s->name, list);
	if (!s->found)
		return err_set(
		    err, ERR_FAILED, ENOENT,
		    "no attached device is called %s: nbd-attach --status lists those that are "
		    "attached",
		    s->name);
	return 0;
}

/* A link made by udev leads to a device; otherwise a directory is a mount point. */
static int by_path(const char *path, int *ret_index, struct err *err)
{
	_cleanup_free_ char *real = NULL;
	struct err ignored;
	int ret = place_device(path, ret_index, err);

	if (ret != -ENOENT)
		return ret;
	real = realpath(path, NULL);
	if (!real)
		return ret;
	if (strncmp(real, "/dev/", 5) == 0 && device_parse(real, "", ret_index, &ignored) == 0)
		return 0;
	return place_device(real, ret_index, err);
}

static int find(const struct options *o, int *ret_index, struct err *err)
{
	struct search s = {.name = o->device};
	int ret;

	if (o->index >= 0) {
		*ret_index = o->index;
		return 0;
	}
	/* By its name without udev, too. */
	s.link = strncmp(s.name, BY_NBD, strlen(BY_NBD)) == 0;
	if (s.link)
		s.name += strlen(BY_NBD);
	else if (s.name[0] == '/')
		return by_path(s.name, ret_index, err);
	s.state = malloc(sizeof(*s.state));
	if (!s.state)
		return err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
	ret = search(&s, err);
	free(s.state);
	if (ret == 0)
		*ret_index = s.index;
	return ret;
}

int cmd_device(const struct options *o, int *ret_index, struct err *err)
{
	int ret = find(o, ret_index, err);
	const char *name;
	size_t len;

	if (ret != -ENOENT)
		return ret;
	name = config_name_of(o->device, &len);
	if (name[len])
		err_set(err, ERR_FAILED, ENOENT,
			"no attached device is called %s: if the configuration of that file is "
			"meant, write %.*s",
			o->device, (int)len, name);
	return ret;
}

int cmd_device_configured(const char *name, int *ret_index)
{
	struct config config;
	char path[PATH_MAX];
	int ret;

	if (!config_is_name(name, strlen(name)))
		return -ENOENT;
	config_path(name, path, sizeof(path));
	ret = config_read_first(path, &config, NULL, NULL, NULL);
	if (ret < 0)
		return ret;
	*ret_index = -1;
	if (config.device && device_parse(config.device, "", ret_index, NULL) < 0)
		*ret_index = -1;
	config_done(&config);
	return 0;
}

bool cmd_device_missing(int index, struct err *err)
{
	char path[512];

	if (sysfs_check(err) < 0)
		return true;
	kernel_await_module();
	snprintf(path, sizeof(path), "%s/block/nbd0", sysfs_root());
	if (access(path, F_OK) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/block/nbd%d", sysfs_root(), index);
	if (access(path, F_OK) == 0)
		return false;
	err_set(err, ERR_USAGE, ENODEV, "there is no device /dev/nbd%d", index);
	return true;
}

void cmd_complain(int index, const char *sentence)
{
	char device[32];

	snprintf(device, sizeof(device), "/dev/nbd%d", index);
	log_error("%s%s%s", strstr(sentence, device) ? "" : device,
		  strstr(sentence, device) ? "" : ": ", sentence);
}
