/* SPDX-License-Identifier: MIT */
#include "supervise/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

static const char *name_of(const struct supervisor *s, char *buf, size_t size)
{
	if (s->cfg.name)
		return s->cfg.name;
	snprintf(buf, size, "nbd%d", s->at.index);
	return buf;
}

/* A sysfs_holder_fn. */
static void mark_holder(const char *holder, const char *slave, void *arg)
{
	const struct marks *m = arg;

	marks_holder(m, holder, slave);
	/* Its last good look was kept while it could not be read; now there can be another. */
	if (!m->lost)
		sysfs_announce_holder(holder, "change", "recovered");
}

/* The thread's: nothing else touches s->marks.job meanwhile. */
static void work(void *arg)
{
	struct supervisor *s = arg;
	struct marks_job *job = &s->marks.job;
	char name[32];
	struct marks m = {
	    .index = s->at.index,
	    .name = name_of(s, name, sizeof(name)),
	    .unit = s->marks.unit[0] ? s->marks.unit : NULL,
	    .backend = s->at.identifier,
	    .lost = job->lost,
	};
	struct sysfs_device device;
	bool changed = false;

	job->ret = sysfs_device(s->at.index, &device);
	if (job->ret < 0)
		return; /* detached meanwhile */
	m.pid = device.pid;
	job->ret = marks_set(&m, &changed);
	if (job->ret < 0 || !(changed || job->first))
		return;
	if (!job->first || job->lost)
		sysfs_holders(s->at.index, mark_holder, &m);
	/* "add", as for a disk that was plugged in: LVM looks for its volumes only then. */
	job->ret = sysfs_announce(s->at.index, job->first && !s->at.taken_over ? "add" : "change",
				  job->lost    ? "lost"
				  : job->first ? "attached"
					       : "recovered");
}

void supervisor_manager_ready(struct supervisor *s)
{
	if (s->marks.ready || !s->marks.told || s->table)
		return;
	s->marks.ready = true;
	manager_ready(s->manager);
}

static void run(struct supervisor *s);

static void done(void *arg)
{
	struct supervisor *s = arg;
	struct supervisor_marks *m = &s->marks;

	if (m->job.ret < 0 && m->job.ret != -ENODEV)
		log_warning("/dev/nbd%d: cannot tell udev the state of the device: %s", s->at.index,
			    strerror(-m->job.ret));
	m->told = true;
	supervisor_manager_ready(s);
	m->busy = false;
	if (m->job.lost != m->lost)
		run(s);
}

static void run(struct supervisor *s)
{
	struct supervisor_marks *m = &s->marks;

	m->job = (struct marks_job){.lost = m->lost, .first = !m->begun};
	m->begun = true;
	m->busy = true;
	if (offload_run(s->env.offload, work, done, s) < 0) {
		m->job.ret = -EBUSY;
		m->job.lost = m->lost;
		done(s);
	}
}

void supervisor_mark(struct supervisor *s, bool lost)
{
	struct supervisor_marks *m = &s->marks;

	/* Under swap, nothing asks for memory in an outage, not even the helper thread. */
	if (s->cfg.swap && lost) {
		m->told = true;
		supervisor_manager_ready(s);
		return;
	}
	m->lost = lost;
	if (!m->busy)
		run(s);
}

void supervisor_tell_manager(struct supervisor *s)
{
	const struct outage *o = &s->outage;
	struct manager_status status = {
	    .state = s->state,
	    .since = s->report.since,
	    .address = s->report.address,
	    .reason = s->state == FSM_ATTACHED ? "" : s->report.error,
	    .next_try = s->report.next_try,
	    .index = s->at.index,
	};

	if (!s->manager)
		return;
	if (!status.reason[0] && (s->state == FSM_LOST || s->state == FSM_DEGRADED))
		status.reason = s->report.cause;
	if (o->since && s->cfg.dead_timeout_s != SUPERVISOR_FOREVER)
		status.fails_at = s->report.outage_since + (int64_t)s->cfg.dead_timeout_s;
	manager_status(s->manager, &status);
}
