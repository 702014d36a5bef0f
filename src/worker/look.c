/* SPDX-License-Identifier: MIT */
#include "worker/look.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/pages.h"
#include "nbd/disk.h"

#define BLOCK_MAX 65536

struct look_answer {
	int32_t ret; /* 0 or -errno */
	struct ids ids;
};

/* Aligned for every device that is read past the cache; the process ends with it. */
static uint8_t *new_block(void)
{
	uintptr_t pages = (uintptr_t)pages_new((size_t)2 * BLOCK_MAX);

	return pages ? (uint8_t *)(pages + BLOCK_MAX - pages % BLOCK_MAX) : NULL;
}

static int read_ids(const struct look_job *job, int fd, uint8_t *block, struct ids *ids)
{
	size_t unit = job->block_size > DISK_PAGE ? job->block_size : DISK_PAGE;
	uint64_t at[DISK_PLACES];
	size_t n = disk_places(job->size, at);

	/* What is read must be there after a crash of the server, too. */
	if (fsync(fd) < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		uint64_t begin = at[i] / unit * unit;
		ssize_t len = pread(fd, block, unit, (off_t)begin);

		if (len < 0)
			return -errno;
		if (begin + (uint64_t)len >= at[i] + DISK_PAGE)
			disk_look(at[i], block + (at[i] - begin), ids);
	}
	return 0;
}

void look_run(int fd, pid_t parent, const void *setup, size_t len)
{
	const struct look_job *job = setup;
	struct look_answer a = {.ret = 0};
	uint8_t *block = new_block();
	struct err ignored;
	int node;

	if (len != sizeof(*job) || !memchr(job->node, '\0', sizeof(job->node)) ||
	    job->block_size > BLOCK_MAX || !block)
		_exit(1);
	prctl(PR_SET_DUMPABLE, 0);
	node = look_open(job);
	if (node < 0)
		a.ret = -errno;
	if (a.ret == 0)
		a.ret = sandbox_enter(&job->sandbox, SANDBOX_LOOK, parent, &ignored);
	if (a.ret == 0)
		a.ret = read_ids(job, node, block, &a.ids);
	(void)!send(fd, &a, sizeof(a), MSG_NOSIGNAL);
}

int look_receive(int fd, struct ids *ret_ids)
{
	struct look_answer a;
	struct iovec iov = {&a, sizeof(a)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = process_receive(fd, &msg, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n != (ssize_t)sizeof(a) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    a.ret < -4095 || a.ret > 0 || !ids_valid(&a.ids))
		return -EPROTO;
	if (a.ret == 0)
		*ret_ids = a.ids;
	return a.ret;
}
