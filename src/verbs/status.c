/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "verbs/device.h"
#include "verbs/verbs.h"
#include "kernel/sysfs.h"
#include "base/json.h"
#include "runtime/rundir.h"
#include "runtime/state.h"
#include "supervise/attach/adopt.h"
#include "supervise/requests/control.h"
#include "runtime/lock.h"

#define REFRESH_LIMIT_MS 500

/* The kernel's data about a device that has no supervisor. */
static void from_kernel(int index, struct state *s)
{
	char backend[STATE_TEXT_MAX] = "";
	struct sysfs_device device;
	struct text t;

	memset(s, 0, sizeof(*s));
	s->index = index;
	snprintf(s->name, sizeof(s->name), "unsupervised");
	if (sysfs_device(index, &device) == 0) {
		s->size = device.size;
		s->read_only = device.read_only;
		s->block_size = device.block_size;
		s->flush = adopt_flushes(index);
	}
	adopt_identifier(index, backend, sizeof(backend));
	text_init(&t, s->identifier, sizeof(s->identifier));
	text_escape(&t, backend, strlen(backend), sizeof(s->identifier) / 4);
}

/*
 * Figures such as the RTT are those of the last change of state, unless the supervisor, which
 * answers only root, updates them.
 */
static void refresh(int index)
{
	const struct control_request request = {.verb = CONTROL_REFRESH};
	struct err err;
	int status;

	control_ask(index, &request, REFRESH_LIMIT_MS, &status, &err);
}

/* 0, or -ENOENT: the device is not attached and no supervisor is at work on it. */
static int describe(int index, struct state *s)
{
	struct rundir_path lock = rundir_device(index, "lock");
	struct err err;
	int pid = lock_holder(lock.text);

	refresh(index);
	if (pid && state_read(index, s, &err) == 0 && s->pid == pid)
		return 0;
	if (!sysfs_attached(index))
		return -ENOENT;
	from_kernel(index, s);
	return 0;
}

static void show(const struct state *s, struct json *j)
{
	if (j)
		state_json(s, j);
	else
		state_print(s, stdout);
}

static int show_one(const struct options *o, struct state *s, struct json *j)
{
	struct err err;
	int index;
	int ret = cmd_device(o, &index, &err);

	if (ret < 0 && ret != -ENOENT) {
		log_error("%s", err.message);
		return err_exit_status(err.kind);
	}
	if (ret < 0 || describe(index, s) < 0) {
		if (!j)
			printf("%s%s: not attached\n", o->index < 0 ? "" : "/dev/", o->device);
		return 1;
	}
	show(s, j);
	return 0;
}

static int is_nbd(const struct dirent *d)
{
	int index, end = 0;

	return sscanf(d->d_name, "nbd%d%n", &index, &end) == 1 && d->d_name[end] == '\0';
}

static int show_all(struct state *s, struct json *j)
{
	char path[512];
	struct dirent **disk;
	int index, n;

	snprintf(path, sizeof(path), "%s/block", sysfs_root());
	n = scandir(path, &disk, is_nbd, versionsort);
	if (n < 0) {
		log_error("cannot read %s: %s", path, strerror(errno));
		return err_exit_status(ERR_SYSTEM);
	}
	for (int i = 0; i < n; i++) {
		if (sscanf(disk[i]->d_name, "nbd%d", &index) == 1 && describe(index, s) == 0)
			show(s, j);
		free(disk[i]);
	}
	free(disk);
	return 0;
}

int cmd_status(const struct options *o)
{
	struct state *s = malloc(sizeof(*s));
	struct json j;
	int status = 0;

	if (!s) {
		log_error("out of memory");
		return err_exit_status(ERR_SYSTEM);
	}
	json_init(&j, stdout);
	if (o->json)
		json_array(&j, NULL);
	if (o->device) {
		status = show_one(o, s, o->json ? &j : NULL);
	} else {
		status = show_all(s, o->json ? &j : NULL);
	}
	if (o->json) {
		json_end_array(&j);
		json_finish(&j);
	}
	free(s);
	return status;
}
