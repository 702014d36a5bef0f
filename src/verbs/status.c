/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/name.h"
#include "verbs/device.h"
#include "verbs/metrics.h"
#include "verbs/table.h"
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
	s->dead_timeout = s->peer_uid = -1; /* not known */
	snprintf(s->name, sizeof(s->name), "unsupervised");
	if (sysfs_device(index, &device) == 0) {
		s->size = device.size;
		s->read_only = device.read_only;
		sysfs_block_size(index, &s->block_size);
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

/* What the devices are shown in. */
struct view {
	struct state *state;
	struct json *json;	 /* NULL: text */
	struct table *table;	 /* NULL: each device with all details */
	struct metrics *metrics; /* in place of both */
	struct err error;	 /* of the device that was looked at last */
	int *shown;		 /* the n_shown devices whose turn it was: one may have two names */
	size_t n_shown;
};

static bool is_new(struct view *v, int index)
{
	for (size_t i = 0; i < v->n_shown; i++)
		if (v->shown[i] == index)
			return false;
	return true;
}

static void show(struct view *v)
{
	if (v->metrics)
		metrics_add(v->metrics, v->state);
	else if (v->json)
		state_json(v->state, v->json);
	else if (v->table)
		table_add(v->table, v->state);
	else
		state_print(v->state, stdout);
}

static int fail(struct view *v, const struct options *o)
{
	int status = err_exit_status(v->error.kind);
	char device[32];

	if (!v->json) {
		log_error("%s", v->error.message);
		return status;
	}
	snprintf(device, sizeof(device), "/dev/nbd%d", o->index);
	json_object(v->json, NULL);
	json_string(v->json, "device", o->index < 0 ? o->device : device);
	json_string(v->json, "error", v->error.message);
	json_u64(v->json, "exit-status", (unsigned)status);
	json_end_object(v->json);
	return status;
}

/* Not attached is an answer, so it is on standard output. */
static int show_absence(struct view *v, const struct options *o)
{
	const char *prefix = o->index < 0 ? "" : "/dev/";
	size_t len;
	/* cmd_device() has a sentence for that. */
	bool is_file = o->index < 0 && config_name_of(o->device, &len)[len];

	if (v->json) {
		err_set(&v->error, ERR_FAILED, ENODEV, "%s%s: not attached", prefix, o->device);
		return fail(v, o);
	}
	if (!v->metrics && is_file)
		puts(v->error.message);
	else if (!v->metrics)
		printf("%s%s: not attached\n", prefix, o->device);
	return err_exit_status(ERR_FAILED);
}

static int show_one(const struct options *o, void *arg)
{
	struct view *v = arg;
	int index;
	int ret = cmd_device(o, &index, &v->error);

	if (ret < 0 && ret != -ENOENT)
		return fail(v, o);
	if (ret == 0 && !is_new(v, index))
		return 0; /* its exit status is counted already */
	if (ret == 0)
		v->shown[v->n_shown++] = index;
	if (ret == 0 && describe(index, v->state) == 0) {
		show(v);
		return 0;
	}
	if (ret == 0 && cmd_device_missing(index, &v->error))
		return fail(v, o);
	return show_absence(v, o);
}

static int is_nbd(const struct dirent *d)
{
	int index, end = 0;

	return sscanf(d->d_name, "nbd%d%n", &index, &end) == 1 && d->d_name[end] == '\0';
}

static int show_all(struct view *v)
{
	char path[512];
	struct dirent **disk;
	int index, n;

	if (sysfs_check(&v->error) < 0) {
		log_error("%s", v->error.message);
		return err_exit_status(v->error.kind);
	}
	snprintf(path, sizeof(path), "%s/block", sysfs_root());
	n = scandir(path, &disk, is_nbd, versionsort);
	if (n < 0) {
		log_error("cannot read %s: %s", path, strerror(errno));
		return err_exit_status(ERR_SYSTEM);
	}
	for (int i = 0; i < n; i++) {
		if (sscanf(disk[i]->d_name, "nbd%d", &index) == 1 && describe(index, v->state) == 0)
			show(v);
		free(disk[i]);
	}
	free(disk);
	return 0;
}

/* One line a device, unless devices are named or details are asked for. */
static bool wants_table(const struct options *o)
{
	return !o->json && !o->openmetrics && !o->device && o->log_level < LOG_INFO;
}

int cmd_status(const struct options *o)
{
	struct view v = {.state = malloc(sizeof(*v.state)),
			 .shown = calloc(o->n_more + 1, sizeof(*v.shown))};
	struct table table = {.n = 0};
	struct metrics metrics = {.n = 0};
	struct json j;
	int status = 0;

	if (!v.state || !v.shown) {
		free(v.state);
		free(v.shown);
		log_error("out of memory");
		return err_exit_status(ERR_SYSTEM);
	}
	json_init(&j, stdout);
	if (o->json) {
		json_object(&j, NULL);
		json_u64(&j, "version", CMD_JSON_VERSION);
		json_array(&j, "devices");
	}
	v.json = o->json ? &j : NULL;
	v.metrics = o->openmetrics ? &metrics : NULL;
	v.table = wants_table(o) ? &table : NULL;
	status = o->device ? options_each_device(o, show_one, &v) : show_all(&v);
	if (o->json) {
		json_end_array(&j);
		json_end_object(&j);
		json_finish(&j);
	}
	if (v.table && table.n)
		table_print(&table, stdout);
	else if (v.table && status == 0)
		log_notice("no device is attached");
	if (o->openmetrics)
		metrics_print(&metrics, stdout);
	metrics_done(&metrics);
	table_done(&table);
	free(v.state);
	free(v.shown);
	return status;
}
