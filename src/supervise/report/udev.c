/* SPDX-License-Identifier: MIT */
#include "supervise/report/udev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel/sysfs.h"
#include "kernel/udev.h"
#include "runtime/marks.h"

#define NAMES_LIMIT_MS 5000
#define LOOK_MS	       20
#define PROD_MS	       500

/* A job of the helper thread: no other code uses it meanwhile. */
struct job {
	bool first, lost;
	bool prod; /* only announces partitions that udev took for a stranger's */
	int ret;   /* out */
	int pid;   /* out: the attachment's number in sysfs */
};

struct udev {
	const struct part_env *env;
	struct udev_config cfg;
	const struct udev_events *events;
	void *arg;
	bool begun, busy; /* the first job has begun; a job is under way */
	bool told;	  /* `told` was called */
	bool lost;	  /* the value for the next job */
	bool waits;	  /* for udev to make the names */
	int pid;	  /* the attachment's number in sysfs; 0: the first job is not done */
	uint64_t end;	  /* monotonic ms: of the wait */
	uint64_t prod_at; /* monotonic ms: partitions may be announced again then */
	struct loop_timer *look;
	struct job job;
	char unit[256]; /* "": none */
};

static void say_told(struct udev *u)
{
	if (u->told)
		return;
	u->told = true;
	u->waits = false;
	loop_timer_cancel(u->look);
	u->events->told(u->arg);
}

static void look(void *arg);

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
	u->look = loop_timer_new(env->loop, look, u);
	if (!u->look) {
		free(u);
		return NULL;
	}
	/* A process of udev that waited for udev would wait in vain. */
	u->waits = udev_runs() && !udev_started("/proc", getpid());
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
	if (!u)
		return;
	loop_timer_free(u->look);
	free(u);
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

struct name {
	char text[80]; /* the configuration's name has at most 64 bytes */
};

/* Under /dev/disk/by-nbd. */
static struct name name_of(const struct udev *u)
{
	struct name n;

	if (u->cfg.name)
		snprintf(n.text, sizeof(n.text), "%s", u->cfg.name);
	else
		snprintf(n.text, sizeof(n.text), "nbd%d", u->env->at->index);
	return n;
}

static void work(void *arg)
{
	struct udev *u = arg;
	const struct attachment *at = u->env->at;
	struct job *job = &u->job;
	struct name name = name_of(u);
	struct marks m = {
	    .index = at->index,
	    .name = name.text,
	    .unit = u->unit[0] ? u->unit : NULL,
	    .backend = at->identifier,
	    .no_scan = u->cfg.no_scan,
	    .lost = job->lost,
	};
	struct sysfs_device device;
	bool changed = false;

	if (job->prod) {
		udev_prod(at->index, job->pid, name.text);
		return;
	}
	job->ret = sysfs_device(at->index, &device);
	if (job->ret < 0)
		return; /* detached meanwhile */
	m.pid = job->pid = device.pid;
	job->ret = marks_set(&m, &changed);
	if (job->ret == 0)
		marks_expect(at->index,
			     false); /* its place is taken by the file of this attachment */
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

static void run(struct udev *u, bool prod);

static void give_up(struct udev *u)
{
	struct name name = name_of(u);

	if (u->waits && u->pid)
		log_warning(
		    "/dev/nbd%d: udev has not made /dev/disk/by-nbd/%s and the names of its "
		    "partitions within %d s: the device works, and the names appear when udev "
		    "goes on",
		    u->env->at->index, name.text, NAMES_LIMIT_MS / 1000);
	say_told(u);
}

/* The first job, too, may take long: the kernel can block the helper thread in an outage. */
static void look(void *arg)
{
	struct udev *u = arg;
	struct name name = name_of(u);
	uint64_t now = loop_now();
	enum udev_seen seen = UDEV_NOT_YET;

	if (u->pid)
		seen = udev_seen(u->env->at->index, u->pid, name.text);
	if (seen == UDEV_ALL || (seen == UDEV_DISK && u->cfg.no_scan)) {
		say_told(u);
		return;
	}
	if (now >= u->end) {
		give_up(u);
		return;
	}
	if (seen == UDEV_DISK && now >= u->prod_at && !u->busy) {
		u->prod_at = now + PROD_MS;
		run(u, true);
	}
	loop_timer_set(u->look, LOOK_MS);
}

/* The first job has told udev of the device. */
static void await_names(struct udev *u)
{
	u->pid = u->job.pid;
	/* Without a device, and in an outage, udev reads nothing. */
	if (u->job.ret < 0 || u->job.lost || u->lost || !u->waits)
		say_told(u);
	else if (!u->told)
		look(u);
}

static void done(void *arg)
{
	struct udev *u = arg;
	bool first = u->job.first;

	if (u->job.ret < 0 && u->job.ret != -ENODEV)
		log_warning("/dev/nbd%d: cannot tell udev the state of the device: %s",
			    u->env->at->index, strerror(-u->job.ret));
	u->busy = false;
	if (first)
		await_names(u);
	if (!u->busy && u->job.lost != u->lost)
		run(u, false);
}

/* Starts a job. */
static void run(struct udev *u, bool prod)
{
	u->job = (struct job){
	    .lost = prod ? u->job.lost : u->lost, .first = !u->begun, .prod = prod, .pid = u->pid};
	if (!u->begun) {
		u->end = loop_now() + NAMES_LIMIT_MS;
		loop_timer_set(u->look, NAMES_LIMIT_MS);
	}
	u->begun = true;
	u->busy = true;
	if (offload_run(u->env->offload, work, done, u) < 0) {
		u->job.ret = -EBUSY;
		if (!prod)
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
	/* An outage ends the wait: udev reads nothing now, and would not finish. */
	if (lost && u->pid)
		say_told(u);
	if (!u->busy)
		run(u, false);
}
