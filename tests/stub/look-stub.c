/* SPDX-License-Identifier: MIT */
/*
 * The node of a device for the process that reads its identifiers. A helper has no environment, so
 * the path tells it where the driver is; and confined, it cannot ask the driver, so it gets a copy.
 */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nbd/disk.h"
#include "worker/look.h"

void __wrap_look_set_node(struct look_job *job, int index);
void __wrap_look_set_node(struct look_job *job, int index)
{
	const char *dir = getenv("NBD_ATTACH_RUNDIR");

	snprintf(job->node, sizeof(job->node), "%d %s", index, dir ? dir : "");
}

static bool copy(int from, int to, const struct look_job *job)
{
	const struct stub_request flush = {.op = STUB_FLUSH};
	static uint8_t page[DISK_PAGE];
	uint64_t at[DISK_PLACES];
	size_t n = disk_places(job->size, at);

	if (stub_ask(from, &flush, NULL, 0, NULL, 0) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct stub_request r = {
		    .op = STUB_READ, .offset = at[i], .length = sizeof(page), .id = i};
		struct stub_reply reply;

		if (stub_send(from, &r, NULL, 0, NULL, 0) < 0 ||
		    stub_receive(from, &reply, page, sizeof(page)) < 0 || reply.error < 0 ||
		    pwrite(to, page, sizeof(page), (off_t)at[i]) != sizeof(page))
			return false;
	}
	return true;
}

int __wrap_look_open(const struct look_job *job);
int __wrap_look_open(const struct look_job *job)
{
	int index = 0, skip = 0, driver, fd = memfd_create("node", MFD_CLOEXEC);
	struct stub_request open = {.op = STUB_OPEN};

	if (sscanf(job->node, "%d %n", &index, &skip) != 1 || fd < 0 ||
	    setenv("NBD_ATTACH_RUNDIR", job->node + skip, 1) < 0)
		return -1;
	if (access(stub_path("no-node").text, F_OK) == 0) {
		errno = ENOENT;
		return -1;
	}
	open.index = index;
	driver = stub_connect();
	if (driver >= 0 && stub_ask(driver, &open, NULL, 0, NULL, 0) == 0 &&
	    copy(driver, fd, job)) {
		close(driver);
		return fd;
	}
	errno = EIO;
	return -1;
}
