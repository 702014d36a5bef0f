/* SPDX-License-Identifier: MIT */
/* Functions of nbd-client's command line that no verb of nbd-attach has. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/sysfs.h"
#include "runtime/lock.h"
#include "runtime/rundir.h"
#include "verbs/device.h"
#include "verbs/probe.h"
#include "verbs/verbs.h"

int cmd_check_pid(const struct options *o)
{
	struct sysfs_device device = {.pid = 0};
	struct err err = {.message = ""};
	int index, pid, r = cmd_device(o, &index, &err);

	if (r < 0 && r != -ENOENT)
		log_error("%s", err.message);
	if (r < 0)
		return r == -ENOENT ? 1 : 2;
	if (!sysfs_attached(index))
		return 1;
	/* Without a supervisor, the number is that of the process that attached the device, as with
	 * nbd-client itself. */
	pid = lock_holder(rundir_device(index, "lock").text);
	if (pid == 0 && sysfs_device(index, &device) == 0)
		pid = device.pid;
	printf("%d\n", pid);
	return 0;
}

int cmd_check_size(const struct options *o, uint64_t size)
{
	struct err err;
	struct probe_answer *answer = calloc(1, sizeof(*answer));
	int status;

	if (!answer) {
		log_error("out of memory");
		return err_exit_status(ERR_SYSTEM);
	}
	status = probe(o, NEGO_GOAL_INFO, NULL, NULL, answer, &err);
	if (status == 0 && answer->export.size != size) {
		log_error("the export holds %llu bytes, and -size says %llu: a device has the size "
			  "of its export, so leave -size out",
			  (unsigned long long)answer->export.size, (unsigned long long)size);
		status = err_exit_status(ERR_PERMANENT);
	}
	free(answer);
	return status;
}
