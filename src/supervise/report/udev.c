/* SPDX-License-Identifier: MIT */
#include "supervise/report/udev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kernel/sysfs.h"
#include "runtime/marks.h"

/* A job of the helper thread: no other code uses it meanwhile. */
struct job {
	bool first, lost;
	int ret; /* out */
};

struct udev {
	const struct part_env *env;
	struct udev_config cfg;
	const struct udev_events *events;
	void *arg;
	bool begun, busy; /* the first job has begun; a job is under way */
	bool told;	  /* `told` was called */
	bool lost;	  /* the value for the next job */
	struct job job;
	char unit[256]; /* "": none */
};

struct udev *udev_new(const struct part_env *env, const struct udev_config *cfg, bool service,
		      const struct udev_events *events, void *arg)
{
	struct udev *u = calloc(1, sizeof(*u));
	const char *unit = secure_getenv("NBD_ATTACH_UNIT");

	if (!u)
		return NULL;
	u->env = env;
	u->cfg = *cfg;
	u->events = events;
	u->arg = arg;
	if (!service)
		return u;
	/* The unit itself says which one it is; the udev rule starts it again. */
	if (unit && marks_unit_ok(unit))
		snprintf(u->unit, sizeof(u->unit), "%s", unit);
	unsetenv("NBD_ATTACH_UNIT");
	return u;
}

void udev_free(struct udev *u)
{
	free(u);
}

static void say_told(struct udev *u)
{
	if (u->told)
		return;
	u->told = true;
	u->events->told(u->arg);
}

/* A sysfs_holder_fn. */
static void mark_holder(const char *holder, const char *slave, void *arg)
{
	const struct marks *m = arg;

	marks_holder(m, holder, slave);
	/*
	 * While the device could not be read, udev kept its last good result; now it can probe
	 * again.
	 */
	if (!m->lost)
		sysfs_announce_holder(holder, "change", "recovered");
}

static void work(void *arg)
{
	struct udev *u = arg;
	const struct attachment *at = u->env->at;
	struct job *job = &u->job;
	char name[32];
	struct marks m = {
	    .index = at->index,
	    .name = u->cfg.name ? u->cfg.name : name,
	    .unit = u->unit[0] ? u->unit : NULL,
	    .backend = at->identifier,
	    .lost = job->lost,
	};
	struct sysfs_device device;
	bool changed = false;

	snprintf(name, sizeof(name), "nbd%d", at->index);
	job->ret = sysfs_device(at->index, &device);
	if (job->ret < 0)
		return; /* detached meanwhile */
	m.pid = device.pid;
	job->ret = marks_set(&m, &changed);
	if (job->ret < 0 || !(changed || job->first))
		return;
	if (!job->first || job->lost)
		sysfs_holders(at->index, mark_holder, &m);
	/* "add", as for a disk that was plugged in: LVM looks for its volumes only then. */
	job->ret = sysfs_announce(at->index, job->first && !at->taken_over ? "add" : "change",
				  job->lost    ? "lost"
				  : job->first ? "attached"
					       : "recovered");
}

static void run(struct udev *u);

static void done(void *arg)
{
	struct udev *u = arg;

	if (u->job.ret < 0 && u->job.ret != -ENODEV)
		log_warning("/dev/nbd%d: cannot tell udev the state of the device: %s",
			    u->env->at->index, strerror(-u->job.ret));
	say_told(u);
	u->busy = false;
	if (u->job.lost != u->lost)
		run(u);
}

static void run(struct udev *u)
{
	u->job = (struct job){.lost = u->lost, .first = !u->begun};
	u->begun = true;
	u->busy = true;
	if (offload_run(u->env->offload, work, done, u) < 0) {
		u->job.ret = -EBUSY;
		u->job.lost = u->lost;
		done(u);
	}
}

void udev_tell(struct udev *u, bool lost)
{
	if (!u)
		return;
	/* With --swap, no code allocates memory in an outage, not even the helper thread. */
	if (u->cfg.swap && lost) {
		say_told(u);
		return;
	}
	u->lost = lost;
	if (!u->busy)
		run(u);
}
