/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/offload.h"
#include "cmd-device.h"
#include "cmd.h"
#include "kernel/sysfs.h"
#include "report/rundir.h"
#include "report/state.h"
#include "supervise/control.h"
#include "supervise/lock.h"
#include "supervise/release.h"

/* Beyond every bound inside the supervisor but a flush that makes progress. */
#define ANSWER_LIMIT_MS 3600000

struct outcome {
	struct loop *loop;
	int index;
};

static void say(int status, int index, const char *remark)
{
	if (status)
		log_error("%s", remark);
	else
		log_notice("/dev/nbd%d: detached%s%s", index, remark[0] ? "; " : "", remark);
}

static void released(int ret, const struct err *err, void *arg)
{
	struct outcome *out = arg;
	int status = ret < 0 ? err_exit_status(err->kind) : 0;

	say(status, out->index, err->message);
	loop_stop(out->loop, status);
}

/* Nobody supervises the device: do what its supervisor would have done. */
static int detach_alone(int index, bool force, struct err *err)
{
	struct outcome out = {.loop = loop_new(), .index = index};
	struct release_config cfg = {.index = index, .force = force, .mark = -1};
	struct sysfs_device device;
	struct release *release;
	bool fallback;
	int status;

	cfg.read_only = sysfs_device(index, &device) == 0 && device.read_only;
	if (kernel_new(KERNEL_BACKEND_AUTO, &cfg.kernel, &fallback, err) < 0)
		return err_exit_status(err->kind);
	cfg.offload = out.loop ? offload_new(out.loop) : NULL;
	if (cfg.offload)
		offload_start(cfg.offload);
	release = cfg.offload ? release_new(out.loop, &cfg, released, &out) : NULL;
	if (!release) {
		err_set(err, ERR_SYSTEM, ENOMEM, "out of memory");
		return err_exit_status(err->kind);
	}
	err->message[0] = '\0'; /* said by then */
	status = loop_run(out.loop);
	release_free(release);
	if (offload_free(cfg.offload))
		kernel_free(cfg.kernel);
	loop_free(out.loop);
	if (status == 0)
		state_remove(index);
	return status;
}

static int detach(const struct options *o, struct err *err)
{
	const struct control_request request = {.verb = CONTROL_DETACH, .force = o->force};
	int index, status;
	int ret = cmd_device(o, &index, err);

	if (ret < 0)
		return err_exit_status(err->kind);
	ret = control_ask(index, &request, ANSWER_LIMIT_MS, &status, err);
	if (ret == 0) {
		say(status, index, err->message);
		err->message[0] = '\0';
		return status;
	}
	if (ret != -ENOENT)
		return err_exit_status(err->kind);
	if (!sysfs_attached(index)) {
		err_set(err, ERR_FAILED, ENODEV, "/dev/nbd%d is not attached", index);
		return err_exit_status(err->kind);
	}
	return detach_alone(index, o->force, err);
}

int cmd_detach(const struct options *o)
{
	struct err err = {.message = ""};
	int status = detach(o, &err);

	if (err.message[0])
		log_error("%s", err.message);
	return status;
}
