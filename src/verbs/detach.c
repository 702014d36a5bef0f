/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/progress.h"
#include "verbs/abreast.h"
#include "verbs/detach-device.h"
#include "verbs/device.h"
#include "verbs/looks.h"
#include "verbs/verbs.h"
#include "kernel/sysfs.h"
#include "runtime/rundir.h"
#include "runtime/lock.h"

static void say(int status, int index, bool was, const char *remark)
{
	if (status)
		cmd_complain(index, remark);
	else if (!was)
		log_notice("/dev/nbd%d is not attached", index);
	else
		log_notice("/dev/nbd%d: detached%s%s", index, remark[0] ? "; " : "", remark);
}

/*
 * No attached device is known by this name. A state file may be lost, so this is success only if
 * the configuration itself names the device.
 */
static int explain_absent(const struct options *o, struct err *err)
{
	int index;

	if (o->index >= 0 || cmd_device_configured(o->device, &index) < 0)
		return err_exit_status(err->kind);
	if (index < 0) {
		err_set(err, ERR_FAILED, ENOENT,
			"no attached device is called %s, and the configuration of that name "
			"does not say which device is meant",
			o->device);
	} else if (sysfs_attached(index) || lock_holder(rundir_device(index, "lock").text)) {
		err_set(err, ERR_FAILED, ENOENT,
			"/dev/nbd%d, the device of the configuration %s, is attached to something "
			"else: nbd-attach --detach nbd%d detaches that",
			index, o->device, index);
	} else {
		log_notice("%s: /dev/nbd%d is not attached", o->device, index);
		return 0;
	}
	return err_exit_status(err->kind);
}

static int detach_named(const struct options *o)
{
	struct err err = {.message = ""};
	int index, status, ret;
	bool was;

	ret = cmd_device(o, &index, &err);
	if (ret < 0) {
		status = ret == -ENOENT ? explain_absent(o, &err) : err_exit_status(err.kind);
		if (status)
			log_error("%s", err.message);
		return status;
	}
	status = detach_device(index, o->force, &was, &err);
	say(status, index, was, err.message);
	return status;
}

/* Several devices, each detached by a process of its own. */
struct several {
	const struct options *o;
	int (*fn)(const struct options *o, int number);
	int *number; /* n of them: what fn is told */
	size_t n;
};

/* For abreast_start(). */
static int one_of_several(int place, void *arg)
{
	const struct several *s = arg;

	looks_join((size_t)place);
	return s->fn(s->o, s->number[place]);
}

/* The worst exit status. */
static int all_of_several(struct several *s)
{
	int status;

	if (s->n > 1)
		looks_begin(s->n);
	for (size_t i = 0; i < s->n; i++)
		abreast_start(one_of_several, (int)i, s);
	status = abreast_wait();
	looks_end();
	return status;
}

/* o for the device that was named in this place on the command line. Owns nothing. */
static struct options nth(const struct options *o, size_t place)
{
	struct options one = *o;

	if (place) {
		one.device = o->more[place - 1].device;
		one.index = o->more[place - 1].index;
	}
	return one;
}

/* -1: there is none by that name, or several. */
static int device_of(const struct options *o)
{
	struct err err;
	int index;

	return cmd_device(o, &index, &err) == 0 ? index : -1;
}

/*
 * Two processes that detach one device would each find it in use by the other one. index: the
 * device that is meant in each place.
 */
static bool named_before(const struct options *o, size_t place, const int *index)
{
	struct options this = nth(o, place), other;

	for (size_t i = 0; i < place; i++) {
		other = nth(o, i);
		if (index[place] >= 0 ? index[place] == index[i]
				      : strcmp(this.device, other.device) == 0)
			return true;
	}
	return false;
}

static int detach_nth(const struct options *o, int place)
{
	struct options one = nth(o, (size_t)place);

	return detach_named(&one);
}

static int detach_several(const struct options *o)
{
	int *index = calloc(o->n_more + 1, sizeof(int));
	struct several s = {.o = o, .fn = detach_nth, .number = calloc(o->n_more + 1, sizeof(int))};
	int status = err_exit_status(ERR_SYSTEM);

	for (size_t i = 0; index && s.number && i <= o->n_more; i++) {
		struct options one = nth(o, i);

		index[i] = device_of(&one);
		if (!named_before(o, i, index))
			s.number[s.n++] = (int)i;
	}
	if (s.n)
		status = all_of_several(&s);
	else
		log_error("out of memory");
	free(index);
	free(s.number);
	return status;
}

static int is_lock(const struct dirent *d)
{
	int index, end = 0;

	return sscanf(d->d_name, "nbd%d.lock%n", &index, &end) == 1 && end && !d->d_name[end];
}

static int detach_index(const struct options *o, int index)
{
	struct err err = {.message = ""};
	bool was;
	int status = detach_device(index, o->force, &was, &err);

	say(status, index, was, err.message);
	return status;
}

/* Every device that has a supervisor. */
static int detach_all(const struct options *o)
{
	struct several s = {.o = o, .fn = detach_index};
	struct dirent **lock;
	int index, status = 0, n = scandir(rundir(), &lock, is_lock, versionsort);

	if (n > 0)
		s.number = calloc((size_t)n, sizeof(int));
	for (int i = 0; i < n; i++) {
		sscanf(lock[i]->d_name, "nbd%d", &index);
		free(lock[i]);
		if (s.number && lock_holder(rundir_device(index, "lock").text))
			s.number[s.n++] = index;
	}
	if (n >= 0)
		free(lock);
	if (n > 0 && !s.number) {
		log_error("out of memory");
		return err_exit_status(ERR_SYSTEM);
	}
	if (s.n)
		status = all_of_several(&s);
	else
		log_notice("no device has a supervisor");
	free(s.number);
	return status;
}

int cmd_detach(const struct options *o)
{
	struct err err;
	int status;

	if (sysfs_check(&err) < 0) { /* the users of a device are found by it, too */
		log_error("%s", err.message);
		return err_exit_status(err.kind);
	}
	progress_begin("detaching");
	status = o->all ? detach_all(o) : o->n_more ? detach_several(o) : detach_named(o);
	progress_end();
	return status;
}
