/* SPDX-License-Identifier: MIT */
#include "kernel/partitions.h"

#include <errno.h>
#include <poll.h>

#include "base/loop.h"
#include "kernel/claim.h"
#include "kernel/partition-list.h"

#define LOOK_MS 20 /* between two checks whether another process (udev) has removed them */

static int look(int index, unsigned limit_ms, struct err *err)
{
	struct pollfd p = {.events = POLLIN};
	struct claim c;
	int ret;

	claim_init(&c);
	ret = claim_look(index, &c, err);
	if (ret < 0)
		return ret;
	p.fd = claim_ended_fd(&c);
	if (poll(&p, 1, (int)limit_ms) == 1)
		ret = claim_finish(&c, err);
	else
		ret = err_set(err, ERR_FAILED, EBUSY, "opening /dev/nbd%d takes too long", index);
	claim_release(&c);
	return ret;
}

int partitions_forget(int index, unsigned limit_ms, struct err *err)
{
	uint64_t end = loop_now() + limit_ms;
	struct err why = {.message = ""};
	char names[200];
	int ret;

	if (!partitions_shown(index, NULL, 0))
		return 0;
	ret = look(index, limit_ms, &why);
	/* A service may see no device node; then udev opens the device. */
	while (partitions_shown(index, names, sizeof(names))) {
		if (loop_now() >= end)
			return err_set(
			    err, ERR_FAILED, EBUSY,
			    "the kernel still shows partitions of the disk that was "
			    "attached before, %s: %s",
			    names, ret < 0 ? why.message : "another process has one of them open");
		poll(NULL, 0, LOOK_MS);
	}
	return 0;
}
