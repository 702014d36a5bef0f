/* SPDX-License-Identifier: MIT */
#include "verbs/detach-device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/offload.h"
#include "verbs/device.h"
#include "verbs/looks.h"
#include "kernel/queue-reader.h"
#include "kernel/sysfs.h"
#include "runtime/grace.h"
#include "runtime/rundir.h"
#include "runtime/state.h"
#include "captive/captive.h"
#include "supervise/requests/control.h"
#include "runtime/lock.h"
#include "supervise/detach/release.h"

/* ms: a supervisor that does not answer within this time is stopped or hangs */
#define ANSWER_LIMIT_MS 10000
/* ms: longer than a detach can take after the device has been checked and flushed */
#define DISCONNECT_LIMIT_MS	  15000
#define DISCONNECT_FORCE_LIMIT_MS 5000
/* With ioctl it flushes as well, which may take as long as it makes progress. */
#define EVERYTHING_LIMIT_MS 3600000

/* For a supervisor that begins to listen: some ms, unless it waits for the kernel. */
#define LISTEN_LIMIT_MS	      10000
#define LISTEN_FORCE_LIMIT_MS 5000
#define LISTEN_PAUSE_MS	      50

#define SHUTDOWN_WAIT_MS  30000
#define SHUTDOWN_PAUSE_MS 500

/* A supervisor that has answered ends when its last --on-change has, which has two seconds. */
#define END_SOON_MS  20 /* without a command to run it takes a few ms */
#define END_PAUSE_MS 5	/* between two looks after that */
#define END_LIMIT_MS 3000

struct outcome {
	struct loop *loop;
	int index;
	bool force;
	struct err *ret_err; /* what is to be said */
	int lock;	     /* the device's, while no supervisor has it; -1: not taken */
	bool rival;	     /* another process has it */
	bool stuck;	     /* the helper thread does not end, and uses this */
};

static void released(int ret, const struct err *err, void *arg)
{
	struct outcome *out = arg;
	int status = ret < 0 ? err_exit_status(err->kind) : 0;

	*out->ret_err = *err;
	loop_stop(out->loop, status);
}

/*
 * The supervisor drops a request whose caller has ended, so that an unanswered request is not
 * carried out later.
 */
static int unanswered(int ret, struct err *err)
{
	size_t len = strlen(err->message);

	if (ret == -EAGAIN)
		snprintf(err->message + len, sizeof(err->message) - len,
			 "; the device stays attached");
	return ret;
}

/* A release_config's disconnect: the supervisor does it, and knows by that why the device ends. */
static int ask_to_disconnect(void *arg, struct err *err)
{
	const struct outcome *out = arg;
	const struct control_request request = {
	    .verb = CONTROL_DETACH, .force = out->force, .prepared = true};
	int status;
	int ret =
	    control_ask(out->index, &request,
			out->force ? DISCONNECT_FORCE_LIMIT_MS : DISCONNECT_LIMIT_MS, &status, err);

	if (ret == -ENOENT)
		return err_set(err, ERR_FAILED, ENOENT,
			       "the supervisor of /dev/nbd%d ended in the meantime: try again",
			       out->index);
	if (ret < 0)
		return unanswered(ret, err);
	err->kind = (enum err_kind)(status - err_exit_status(ERR_FAILED));
	return status ? -EBUSY : 0;
}

/*
 * Finds the users of the device and flushes it, with the caller's rights: a supervisor that is a
 * service may see neither the device nor other processes.
 */
static int release_it(struct outcome *out, struct release_config *cfg, struct err *err)
{
	struct sysfs_device device;
	struct release *release;
	int status;

	cfg->look = looks_find;
	cfg->read_only = sysfs_device(out->index, &device) == 0 && device.read_only;
	out->loop = loop_new();
	cfg->offload = out->loop ? offload_new(out->loop) : NULL;
	if (cfg->offload)
		offload_start(cfg->offload);
	release = cfg->offload ? release_new(out->loop, cfg, released, out) : NULL;
	(void)queue_reader_start(); /* while the thread looks for users; it is tried again later */
	if (!release) {
		err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
		return err_exit_status(err->kind);
	}
	status = loop_run(out->loop);
	release_free(release);
	out->stuck = !offload_free(cfg->offload);
	if (!out->stuck) {
		kernel_free(cfg->kernel);
		queue_reader_end();
	}
	loop_free(out->loop);
	return status;
}

/* A server that was started for the device. */
static void end_captive(int index)
{
	struct state *state = calloc(1, sizeof(*state));

	if (state && state_read(index, state, NULL) == 0 && state->captive[0])
		captive_end_alone(state->captive);
	free(state);
}

/*
 * A release_config's lock: the device stays without a supervisor until it is detached. Not taken
 * before, so that a supervisor that comes while the device turns out to be in use is not refused.
 */
static int keep_supervisors_out(void *arg, struct err *err)
{
	struct outcome *out = arg;
	char what[32];
	int ret;

	snprintf(what, sizeof(what), "/dev/nbd%d", out->index);
	ret = lock_take(rundir_device(out->index, "lock").text, what, &out->lock, err);
	out->rival = ret == -EBUSY && err->kind == ERR_BUSY;
	/* There may be no directory for the lock. Or its supervisor was killed: it is no rival. */
	return out->rival ? ret : 0;
}

/*
 * The device has no supervisor: does what its supervisor would have done. *ret_rival: one came
 * meanwhile, and the device stays attached; NULL: that does not matter.
 */
static int detach_alone(int index, bool force, bool *ret_rival, struct err *err)
{
	struct outcome *out = malloc(sizeof(*out));
	struct release_config cfg = {.index = index, .force = force, .mark = -1, .arg = out};
	bool fallback;
	int status;

	if (!out) {
		err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
		return err_exit_status(err->kind);
	}
	*out = (struct outcome){.index = index, .ret_err = err, .lock = -1};
	if (ret_rival)
		cfg.lock = keep_supervisors_out;
	if (kernel_new(KERNEL_BACKEND_AUTO, &cfg.kernel, &fallback, err) < 0) {
		free(out);
		return err_exit_status(err->kind);
	}
	status = release_it(out, &cfg, err);
	if (status == 0) {
		end_captive(index);
		state_remove(index);
	}
	/* The thread ends with this process, which keeps the lock until then. */
	if (out->stuck)
		return status;
	if (ret_rival)
		*ret_rival = status && out->rival;
	close_fdp(&out->lock);
	free(out);
	return status;
}

/* With ioctl the supervisor itself has the device open, and does everything. */
static int ask_for_everything(int index, bool force, struct err *err)
{
	const struct control_request request = {.verb = CONTROL_DETACH, .force = force};
	int status;
	int ret = control_ask(index, &request, EVERYTHING_LIMIT_MS, &status, err);

	if (ret < 0) {
		unanswered(ret, err);
		return err_exit_status(err->kind);
	}
	return status;
}

/* The caller may attach again as soon as it has the answer, so the lock has to be free by then. */
static void wait_for_end(int index)
{
	const uint64_t since = loop_now();
	uint64_t waited = 0;

	while (waited < END_LIMIT_MS && lock_holder(rundir_device(index, "lock").text)) {
		usleep(waited < END_SOON_MS ? 1000 : END_PAUSE_MS * 1000);
		waited = loop_now() - since;
	}
}

/* answer: the supervisor's to CONTROL_REFRESH. */
static int detach_supervised(int index, bool force, const char *answer, struct err *err)
{
	int status;
	struct outcome out = {.index = index, .force = force, .ret_err = err};
	struct release_config cfg = {
	    .index = index,
	    .force = force,
	    .mark = -1,
	    .disconnect = ask_to_disconnect,
	    .arg = &out,
	};
	unsigned alive;

	if (strncmp(answer, "ioctl", 5) == 0) {
		status = ask_for_everything(index, force, err);
	} else {
		cfg.lost = sscanf(answer, "netlink %u", &alive) == 1 && alive == 0;
		cfg.clean = strstr(answer, " clean") != NULL;
		status = release_it(&out, &cfg, err);
	}
	if (status == 0)
		wait_for_end(index);
	return status;
}

/* A process has the device's lock, and does not listen. */
static bool has_rival(int index)
{
	return lock_live_holder(rundir_device(index, "lock").text) != 0;
}

static int explain_rival(int index, struct err *err)
{
	err_set(err, ERR_BUSY, EBUSY,
		"the nbd-attach process %d is just starting to supervise /dev/nbd%d, or detaches "
		"it: the device stays attached; try again",
		lock_holder(rundir_device(index, "lock").text), index);
	return err_exit_status(err->kind);
}

/* A detach, and its state. */
struct task {
	int index;
	bool force;
	bool past;  /* the time for a supervisor that has the lock to listen */
	bool again; /* such a one does not listen yet: it should be asked again */
	bool was;   /* the device was attached */
	bool root;  /* with --root */
};

/* No supervisor listens. */
static int detach_unsupervised(struct task *t, struct err *err)
{
	int status;

	t->was = sysfs_attached(t->index);
	if (!t->was)
		return cmd_device_missing(t->index, err) ? err_exit_status(err->kind) : 0;
	err->message[0] = '\0';
	if (t->past && t->force)
		return detach_alone(t->index, t->force, NULL, err);
	t->again = has_rival(t->index);
	if (t->again)
		return explain_rival(t->index, err);
	status = detach_alone(t->index, t->force, &t->again, err);
	return t->again ? explain_rival(t->index, err) : status;
}

/* The exit status, with *err to be said whatever that is. */
static int try_to_detach(struct task *t, struct err *err)
{
	const struct control_request refresh = {.verb = CONTROL_REFRESH};
	int status;
	int ret = control_ask(t->index, &refresh, ANSWER_LIMIT_MS, &status, err);

	t->again = false;
	t->root = ret == 0 && status == 0 && strstr(err->message, " root");
	if (ret == 0 && status == 0)
		return detach_supervised(t->index, t->force, err->message, err);
	if (ret == 0)
		return status;
	if (ret == -ENOENT)
		return detach_unsupervised(t, err);
	unanswered(ret, err);
	return err_exit_status(err->kind);
}

static int detach(struct task *t, struct err *err)
{
	const uint64_t end = loop_now() + (t->force ? LISTEN_FORCE_LIMIT_MS : LISTEN_LIMIT_MS);
	int status;

	t->past = false;
	status = try_to_detach(t, err);
	while (t->again && !t->past) {
		usleep(LISTEN_PAUSE_MS * 1000);
		t->past = loop_now() >= end;
		status = try_to_detach(t, err);
	}
	return status;
}

/*
 * During shutdown the users of the device are about to close it: systemd may unmount it only now (a
 * mount it does not know to need this unit), and its supervisor had better live until then. The
 * root file system is in use to the end.
 */
int detach_device(int index, bool force, bool *ret_was, struct err *err)
{
	uint64_t end = loop_now() + SHUTDOWN_WAIT_MS;
	struct task task = {.index = index, .force = force, .was = true};
	int status = detach(&task, err);

	while (status == err_exit_status(ERR_BUSY) && !task.root && grace_read() != GRACE_NONE &&
	       loop_now() < end) {
		usleep(SHUTDOWN_PAUSE_MS * 1000);
		status = detach(&task, err);
	}
	*ret_was = task.was;
	return status;
}
